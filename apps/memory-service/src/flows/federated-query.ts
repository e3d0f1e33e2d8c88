import { create, type Message, ModelRegistry, node } from "penguiflow";
import type { MemoryServices } from "../memory-services.ts";
import { answerSources } from "../retrieval/answer-sources.ts";
import { fuseRanks } from "../retrieval/fuse.ts";
import { gatherSources } from "../retrieval/gather-sources.ts";
import { prepareVector } from "../retrieval/prepare-query.ts";
import { queryWords } from "../text/words.ts";
import {
  type FederatedResponse,
  federatedResponse,
  type FusedQuery,
  fusedQuery,
  type GatheredQuery,
  gatheredQuery,
  type PlannedQuery,
  plannedQuery,
} from "./federated-stages.ts";
import { type RetrieveRequest, retrieveRequest } from "./retrieve-stages.ts";

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
    .register("plan", retrieveRequest, plannedQuery)
    .register("gather", plannedQuery, gatheredQuery)
    .register("fuse", gatheredQuery, fusedQuery)
    .register("finalize", fusedQuery, federatedResponse);
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
    async ({ payload }: Message<PlannedQuery>, ctx): Promise<GatheredQuery> => {
      const { tenants, request, ...rest } = payload;
      return {
        ...rest,
        request,
        sources: await gatherSources(services, tenants, payload.search, request.query, ctx),
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
