import { create, type Message, ModelRegistry, node, shape } from "penguiflow";
import { z } from "zod";
import type { MemoryServices } from "../memory-services.ts";
import { answerSources, type FederatedRecall } from "../retrieval/answer-sources.ts";
import { fuseRanks } from "../retrieval/fuse.ts";
import { type GatheredSource, gatherSources } from "../retrieval/gather-sources.ts";
import { prepareVector } from "../retrieval/prepare-query.ts";
import { queryWords } from "../text/words.ts";
import { type PreparedQuery, type RetrieveRequest, retrieveRequest } from "./retrieve-stages.ts";

/** The query and the tenants that are asked. */
export interface PlannedQuery extends PreparedQuery {
  readonly tenants: readonly string[];
}

/** The candidates of each source. */
export interface GatheredQuery extends PreparedQuery {
  readonly sources: readonly GatheredSource[];
}

/** The order over all sources: rank scores by tenant and id. */
export interface FusedQuery extends GatheredQuery {
  readonly scores: ReadonlyMap<string, number>;
}

/** What the caller is told, and the count of revocations at its check. */
export interface FederatedResponse {
  readonly recall: FederatedRecall;
  readonly checkedAt: number;
}

const planned = shape<PlannedQuery>();
const gathered = shape<GatheredQuery>();
const fused = shape<FusedQuery>();
const response = z.custom<FederatedResponse>(
  (value) => typeof value === "object" && value !== null && "recall" in value && "checkedAt" in value,
);

/** Builds `memory.federated_query`: asks the own store and those from which fragments were shared. */
export function federatedQueryFlow(services: MemoryServices) {
  const nodes = {
    plan: planNode(services),
    gather: gatherNode(services),
    fuse: fuseNode(),
    finalize: finalizeNode(services),
  };
  const { plan, gather, fuse, finalize } = nodes;
  const flow = create(plan.to(gather), gather.to(fuse), fuse.to(finalize), { name: "memory.federated_query" });
  const registry = new ModelRegistry()
    .register("plan", retrieveRequest, planned)
    .register("gather", planned, gathered)
    .register("fuse", gathered, fused)
    .register("finalize", fused, response);
  return { flow, registry, nodes };
}

function planNode(services: MemoryServices) {
  return node(
    { name: "plan", effects: "reads", policy: { timeoutMs: 800, validate: "in" } },
    async ({ payload: request }: Message<RetrieveRequest>, { signal }): Promise<PlannedQuery> => {
      const { principal, query, filter } = request;
      const { vector, fallbacks } = await prepareVector(services, principal.tenant, query, signal);
      const others = await services.store.catalog.sharesFor(principal, services.limits.sources - 1);
      const search = { viewer: principal, words: queryWords(query), vector, filter, now: services.clock.epochNow() };
      return { request, search, fallbacks, tenants: [principal.tenant, ...others] };
    },
  );
}

function gatherNode(services: MemoryServices) {
  return node(
    { name: "gather", effects: "reads", policy: { timeoutMs: 5_000, validate: "none" } },
    async ({ payload }: Message<PlannedQuery>, { signal }): Promise<GatheredQuery> => {
      const { tenants, request, ...rest } = payload;
      return {
        ...rest,
        request,
        sources: await gatherSources(services, tenants, payload.search, request.query, signal),
      };
    },
  );
}

function fuseNode() {
  return node(
    { name: "fuse", effects: "none", policy: { validate: "none" } },
    ({ payload }: Message<GatheredQuery>): FusedQuery => {
      const rankings = payload.sources.map(({ tenant, ranked }) => ({
        ids: ranked.map(({ fragment }) => `${tenant}/${fragment.id}`),
        weight: 1,
      }));
      return { ...payload, scores: fuseRanks(rankings) };
    },
  );
}

function finalizeNode(services: MemoryServices) {
  return node(
    { name: "finalize", effects: "writes", policy: { timeoutMs: 2_000, validate: "out" } },
    async ({ payload, traceId }: Message<FusedQuery>): Promise<FederatedResponse> =>
      await answerSources(services, payload, traceId),
  );
}
