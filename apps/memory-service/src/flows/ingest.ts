import { create, type Message, ModelRegistry, node } from "penguiflow";
import { judgeTurn } from "../feedback/judge-turn.ts";
import { normalizeIngest } from "../keeping/normalize-ingest.ts";
import { keepIngest } from "../keeping/keep-ingest.ts";
import type { MemoryServices } from "../memory-services.ts";
import { withBusinessEvents } from "../telemetry/business-event.ts";
import {
  type ClassifiedIngest,
  classifiedIngest,
  type IngestRequest,
  ingestRequest,
  type IngestResponse,
  ingestResponse,
  type NormalizedIngest,
  normalizedIngest,
  type PersistedIngest,
  persistedIngest,
} from "./ingest-stages.ts";

/** Builds `memory.ingest`: keeps what was said, in one transaction with everything that follows from it. */
export function ingestFlow(services: MemoryServices) {
  const [normalize, classify] = [normalizeNode(services), classifyNode(services)];
  const [persist, finalize] = [persistNode(services), finalizeNode(services)];
  const flow = create(normalize.to(classify), classify.to(persist), persist.to(finalize), { name: "memory.ingest" });
  const registry = new ModelRegistry()
    .register("normalize", ingestRequest, normalizedIngest)
    .register("classify", normalizedIngest, classifiedIngest)
    .register("persist", classifiedIngest, persistedIngest)
    .register("finalize", persistedIngest, ingestResponse);
  return { flow, registry, nodes: { normalize, classify, persist, finalize } };
}

function normalizeNode({ clock }: MemoryServices) {
  return node(
    { name: "normalize", effects: "none", policy: { validate: "in" } },
    ({ payload }: Message<IngestRequest>): NormalizedIngest => normalizeIngest(payload, clock.epochNow()),
  );
}

function classifyNode(services: MemoryServices) {
  const policy = {
    timeoutMs: 500,
    validate: "none" as const,
    // a failing judgement must not keep a turn from being stored
    onFailed: (_: unknown, { payload }: Message<NormalizedIngest>): ClassifiedIngest => ({
      ...payload,
      feedback: { kind: "none", about: [], fallback: "timeout" },
    }),
  };
  return node(
    { name: "classify", effects: "reads", policy },
    async ({ payload }: Message<NormalizedIngest>, { signal }): Promise<ClassifiedIngest> => ({
      ...payload,
      feedback: await judgeTurn(services, payload, signal),
    }),
  );
}

function persistNode(services: MemoryServices) {
  return node(
    {
      name: "persist",
      effects: "idempotent",
      policy: { timeoutMs: 2_000, maxRetries: 2, backoffBaseMs: 50, validate: "none" },
    },
    async ({ payload, traceId }: Message<ClassifiedIngest>, { attempt }): Promise<PersistedIngest> =>
      await keepIngest(services, payload, { traceId, isRepeated: attempt > 1 }),
  );
}

function finalizeNode({ telemetry, wake }: MemoryServices) {
  const finalize = (message: Message<PersistedIngest>): Message<IngestResponse> => {
    const { principal, kept, isRepeated, hasJobs } = message.payload;
    if (hasJobs) wake(principal.tenant);
    const owner = { tenant: telemetry.hash(principal.tenant), owner: telemetry.hash(principal.user) };
    const created = kept.ids.map((id) => ({
      event: "memory_event.created" as const,
      payload: { ...owner, fragment: telemetry.hash(id) },
    }));
    return message.with({
      payload: { ...kept, id: kept.ids[0] ?? "", created: !isRepeated },
      meta: withBusinessEvents(message.meta, isRepeated ? [] : created),
    });
  };
  return node({ name: "finalize", effects: "none", policy: { validate: "out" } }, finalize);
}
