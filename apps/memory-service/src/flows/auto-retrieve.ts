import { create, type Message, ModelRegistry, node } from "penguiflow";
import type { MemoryServices } from "../memory-services.ts";
import { answerRecall } from "../retrieval/answer-recall.ts";
import { prepareVector } from "../retrieval/prepare-query.ts";
import { rankCandidates } from "../retrieval/rank.ts";
import { searchTenant } from "../retrieval/search.ts";
import { withBusinessEvents } from "../telemetry/business-event.ts";
import { queryWords } from "../text/words.ts";
import {
  type FoundCandidates,
  foundCandidates,
  type PreparedQuery,
  preparedQuery,
  type RankedCandidates,
  rankedCandidates,
  type RetrieveRequest,
  retrieveRequest,
  type RetrieveResponse,
  retrieveResponse,
} from "./retrieve-stages.ts";

/** Builds `memory.auto_retrieve`: finds what helps with a turn, and says why. */
export function autoRetrieveFlow(services: MemoryServices) {
  const nodes = {
    prepare: prepareNode(services),
    search: searchNode(services),
    rerank: rerankNode(services),
    finalize: finalizeNode(services),
  };
  const { prepare, search, rerank, finalize } = nodes;
  const flow = create(prepare.to(search), search.to(rerank), rerank.to(finalize), { name: "memory.auto_retrieve" });
  const registry = new ModelRegistry()
    .register("prepare", retrieveRequest, preparedQuery)
    .register("search", preparedQuery, foundCandidates)
    .register("rerank_and_diversify", foundCandidates, rankedCandidates)
    .register("finalize", rankedCandidates, retrieveResponse);
  return { flow, registry, nodes };
}

function prepareNode(services: MemoryServices) {
  return node(
    { name: "prepare", effects: "reads", policy: { timeoutMs: 800, validate: "in" } },
    async ({ payload: request }: Message<RetrieveRequest>, { signal }): Promise<PreparedQuery> => {
      const { principal, query, filter } = request;
      const { vector, fallbacks } = await prepareVector(services, principal.tenant, query, signal);
      const search = { viewer: principal, words: queryWords(query), vector, filter, now: services.clock.epochNow() };
      return { request, search, fallbacks };
    },
  );
}

function searchNode(services: MemoryServices) {
  return node(
    {
      name: "search",
      effects: "reads",
      policy: { timeoutMs: 1_500, maxRetries: 1, backoffBaseMs: 20, validate: "none" },
    },
    async ({ payload }: Message<PreparedQuery>): Promise<FoundCandidates> => ({
      ...payload,
      candidates: await searchTenant(services, payload.request.principal.tenant, payload.search),
    }),
  );
}

function rerankNode(services: MemoryServices) {
  return node(
    { name: "rerank_and_diversify", effects: "reads", policy: { timeoutMs: 1_500, validate: "none" } },
    async ({ payload }: Message<FoundCandidates>, { signal }): Promise<RankedCandidates> => {
      const { request, search, candidates } = payload;
      const about = { viewer: search.viewer, query: request.query, now: search.now };
      const { ranked, ranker, fallback } = await rankCandidates(services, candidates, about, signal);
      if (fallback === undefined) return { ...payload, ranked, ranker };
      services.telemetry.fellBack({ stage: "rerank", reason: fallback });
      return { ...payload, ranked, ranker, fallbacks: [...payload.fallbacks, { stage: "rerank", reason: fallback }] };
    },
  );
}

function finalizeNode(services: MemoryServices) {
  return node(
    // an attempt that is repeated logs the recall again, which harms nothing
    { name: "finalize", effects: "writes", policy: { timeoutMs: 500, validate: "out" } },
    async (message: Message<RankedCandidates>): Promise<Message<RetrieveResponse>> => {
      const { request, ...ranked } = message.payload;
      const { principal, type } = request;
      const response = await answerRecall(services, request, ranked, message.traceId);
      const tenant = services.telemetry.hash(principal.tenant);
      const recalled = response.recall.items.map(({ id }) => ({
        event: `memory_event.${type}` as const,
        payload: { tenant, actor: services.telemetry.hash(principal.user), fragment: services.telemetry.hash(id) },
      }));
      return message.with({ payload: response, meta: withBusinessEvents(message.meta, recalled) });
    },
  );
}
