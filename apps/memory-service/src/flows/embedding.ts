import { create, type Message, ModelRegistry, node } from "penguiflow";
import { embedChecked } from "../embed/embedder.ts";
import { followChange, type MemoryServices } from "../memory-services.ts";
import { withBusinessEvents } from "../telemetry/business-event.ts";
import { packVector, quantize } from "../vector/quantize.ts";
import { storeVectors } from "../worker/store-vectors.ts";
import {
  type Embedded,
  embeddedStage,
  type EmbeddingRequest,
  embeddingRequest,
  type EmbeddingResponse,
  embeddingResponse,
  type Indexed,
  indexedStage,
  type Loaded,
  loadedStage,
} from "./embedding-stages.ts";

/** Builds `memory.embedding`: gives claimed fragments their vectors. The worker calls it. */
export function embeddingFlow(services: MemoryServices) {
  const nodes = {
    load: loadNode(services),
    embed: embedNode(services),
    index: indexNode(services),
    record: recordNode(services),
  };
  const { load, embed, index, record } = nodes;
  const flow = create(load.to(embed), embed.to(index), index.to(record), { name: "memory.embedding" });
  const registry = new ModelRegistry()
    .register("load", embeddingRequest, loadedStage)
    .register("embed", loadedStage, embeddedStage)
    .register("index", embeddedStage, indexedStage)
    .register("record", indexedStage, embeddingResponse);
  return { flow, registry, nodes };
}

function loadNode({ store }: MemoryServices) {
  return node(
    { name: "load", effects: "reads", policy: { timeoutMs: 2_000, validate: "in" } },
    async ({ payload }: Message<EmbeddingRequest>): Promise<Loaded> => {
      const seqs = payload.jobs.map(({ seq }) => seq);
      const found = await store.read(payload.principal.tenant, async (rows) => await rows.fragments.bySeq(seqs));
      const bySeq = new Map(found.map((fragment) => [fragment.seq, fragment]));
      const fragments = payload.jobs.flatMap((claimed) => {
        const fragment = bySeq.get(claimed.seq);
        return fragment?.version === claimed.version ? [{ job: claimed, fragment }] : [];
      });
      return { ...payload, fragments };
    },
  );
}

function embedNode({ models }: MemoryServices) {
  return node(
    { name: "embed", effects: "reads", policy: { timeoutMs: 30_000, maxRetries: 2, concurrency: 8, validate: "none" } },
    async ({ payload }: Message<Loaded>, { signal }): Promise<Embedded> => {
      const embedder = models.get(payload.model);
      if (embedder === undefined) throw new TypeError(`No embedder is named "${payload.model}"`);
      const texts = payload.fragments.map(({ fragment }) => fragment.text);
      const vectors = texts.length === 0 ? [] : await embedChecked(embedder, texts, signal, "fragment");
      return { ...payload, vectors: vectors.map((vector) => packVector(quantize(vector))) };
    },
  );
}

function indexNode(services: MemoryServices) {
  return node(
    {
      name: "index",
      effects: "idempotent",
      policy: { timeoutMs: 5_000, maxRetries: 2, backoffBaseMs: 50, validate: "none" },
    },
    async ({ payload, traceId }: Message<Embedded>): Promise<Indexed> => {
      const { written, change } = await storeVectors(services, payload, traceId);
      followChange(services, change);
      return { ...payload, written };
    },
  );
}

function recordNode({ telemetry }: MemoryServices) {
  return node(
    { name: "record", effects: "none", policy: { validate: "out" } },
    (message: Message<Indexed>): Message<EmbeddingResponse> => {
      const { written, jobs, principal: worker } = message.payload;
      const tenant = telemetry.hash(worker.tenant);
      const embedded = written.map(({ id }) => ({
        event: "memory_event.embedded" as const,
        payload: { tenant, fragment: telemetry.hash(id) },
      }));
      const payload = { embedded: written.length, dropped: jobs.length - written.length };
      return message.with({ payload, meta: withBusinessEvents(message.meta, embedded) });
    },
  );
}
