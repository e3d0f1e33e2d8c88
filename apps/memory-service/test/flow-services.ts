import { TestClock } from "penguiflow/testing";
import { onTestFinished } from "vitest";
import { allFlows, type AllFlows } from "../src/flows/all-flows.ts";
import { EmbeddingModels } from "../src/embed/embedding-models.ts";
import { hashEmbedder } from "../src/embed/hash-embedder.ts";
import { resolveLimits } from "../src/limits.ts";
import { type MemoryServices, Revocations } from "../src/memory-services.ts";
import { type CheckedPrincipal, checkPrincipal } from "../src/principal.ts";
import { sqliteStore } from "../src/store/sqlite/sqlite-store.ts";
import { Telemetry } from "../src/telemetry/telemetry.ts";
import { VectorIndex } from "../src/vector/vector-index.ts";

/** Services over a store in memory, and every flow over them, for tests of one flow. */
export interface FlowBench {
  readonly services: MemoryServices;
  readonly flows: AllFlows;
  readonly ada: CheckedPrincipal;
  /** Tenants whose worker was woken. */
  readonly woken: string[];
}

/** Makes services and flows; flows are run by `runOne`. */
export function flowBench(changed: Partial<MemoryServices> = {}): FlowBench {
  const store = sqliteStore();
  onTestFinished(async () => await store.close());
  const woken: string[] = [];
  const services: MemoryServices = {
    store,
    index: new VectorIndex({ maxBytes: 2 ** 24, idleMs: 60_000, clock: new TestClock() }),
    models: new EmbeddingModels(hashEmbedder(), [], store.catalog),
    limits: resolveLimits(),
    telemetry: new Telemetry(),
    clock: new TestClock(),
    reranker: undefined,
    classifier: undefined,
    revocations: new Revocations(),
    wake: (tenant) => void woken.push(tenant),
    ...changed,
  };
  return { services, flows: allFlows(services), ada: checkPrincipal({ tenant: "acme", user: "ada" }), woken };
}
