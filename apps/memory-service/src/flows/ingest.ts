import { create, type Message, ModelRegistry, node } from "penguiflow";
import { judgeTurn } from "../feedback/judge-turn.ts";
import { keepIngest } from "../keeping/keep-ingest.ts";
import type { MemoryServices } from "../memory-services.ts";
import { digest } from "../text/digest.ts";
import { withBusinessEvents } from "../telemetry/business-event.ts";
import { normalizeText } from "../text/clean-text.ts";
import { splitSentences } from "../text/split-sentences.ts";
import { uuidV7 } from "../uuid-v7.ts";
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

const PART_LENGTH = 2_000;

/** Builds `memory.ingest`: keeps what was said, in one transaction with everything that follows from it. */
export function ingestFlow(services: MemoryServices) {
  const nodes = {
    normalize: normalizeNode(services),
    classify: classifyNode(services),
    persist: persistNode(services),
    finalize: finalizeNode(services),
  };
  const { normalize, classify, persist, finalize } = nodes;
  const flow = create(normalize.to(classify), classify.to(persist), persist.to(finalize), { name: "memory.ingest" });
  const registry = new ModelRegistry()
    .register("normalize", ingestRequest, normalizedIngest)
    .register("classify", normalizedIngest, classifiedIngest)
    .register("persist", classifiedIngest, persistedIngest)
    .register("finalize", persistedIngest, ingestResponse);
  return { flow, registry, nodes };
}

function normalizeNode({ clock }: MemoryServices) {
  const normalize = ({ payload }: Message<IngestRequest>): NormalizedIngest => {
    const now = clock.epochNow();
    const fragments = payload.fragments.flatMap(({ text, ...rest }) => {
      const parts = splitSentences(normalizeText(text), PART_LENGTH);
      const ids = parts.map(() => uuidV7(now));
      // parts of one text are neighbours, also where the caller names no conversation
      const conversation = rest.conversation ?? (parts.length > 1 ? ids[0] : undefined);
      return parts.map((part, at) => ({
        ...rest,
        conversation,
        id: ids[at] ?? uuidV7(now),
        text: part,
        hash: digest(part),
        saidAt: rest.saidAt ?? now,
        supersedes: at === 0 ? rest.supersedes : undefined,
        continues: at > 0,
      }));
    });
    return { ...payload, fragments, body: JSON.stringify(payload.fragments), now };
  };
  return node({ name: "normalize", effects: "none", policy: { validate: "both" } }, normalize);
}

function classifyNode(services: MemoryServices) {
  const byNothing = (payload: NormalizedIngest): ClassifiedIngest => ({
    ...payload,
    feedback: { kind: "none", about: [], fallback: "timeout" },
  });
  const policy = {
    timeoutMs: 500,
    // what a turn says about earlier ones never keeps it from being kept
    onFailed: (_: unknown, { payload }: Message<NormalizedIngest>) => byNothing(payload),
  };
  return node(
    { name: "classify", effects: "reads", policy },
    async ({ payload }: Message<NormalizedIngest>, { signal }): Promise<ClassifiedIngest> => {
      const feedback = await judgeTurn(services, payload, signal);
      return { ...payload, feedback };
    },
  );
}

function persistNode(services: MemoryServices) {
  return node(
    { name: "persist", effects: "idempotent", policy: { timeoutMs: 2_000, maxRetries: 2, backoffBaseMs: 50 } },
    async ({ payload, traceId }: Message<ClassifiedIngest>): Promise<PersistedIngest> =>
      await keepIngest(services, payload, traceId),
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
  return node({ name: "finalize", effects: "none" }, finalize);
}
