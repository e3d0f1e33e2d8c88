import type { RetrieveRequest, RetrieveResponse } from "../flows/retrieve-stages.ts";
import type { MemoryServices } from "../memory-services.ts";
import type { RankedCandidate } from "./candidate.ts";
import { confirmRecall } from "./confirm.ts";
import type { Fallback } from "./fallback.ts";
import { explain } from "./explain.ts";
import { cutToBudget } from "./recall.ts";
import type { SearchQuery } from "./search.ts";

/** Candidates in their final order. */
export interface RankedAnswer {
  readonly search: Pick<SearchQuery, "words" | "vector">;
  readonly ranked: readonly RankedCandidate[];
  readonly ranker: string;
  readonly fallbacks: readonly Fallback[];
}

/** Cuts to the budget, checks sight once more, logs the recall and words the answer. */
export async function answerRecall(
  services: Pick<MemoryServices, "store" | "clock" | "revocations">,
  { principal, limit, maxTokens, within, explain: isExplained, type }: RetrieveRequest,
  { search, ranked, ranker, fallbacks }: RankedAnswer,
  traceId: string,
): Promise<RetrieveResponse> {
  const { taken, cut } = cutToBudget(ranked, limit, maxTokens);
  const checkedAt = services.revocations.count;
  const seen = await confirmRecall(services, {
    tenant: principal.tenant,
    viewer: principal,
    ids: taken.map(({ fragment }) => fragment.id),
    mentioned: isExplained ? [...cut.keys()] : [],
    type,
    within,
    traceId,
  });
  const items = taken.flatMap(({ fragment, score, why }) => {
    const view = seen.get(fragment.id);
    return view === undefined ? [] : [{ ...view, score, why }];
  });
  return {
    recall: {
      items,
      ranker,
      fallbacks,
      truncated: cut.size > 0,
      ...(isExplained && {
        candidates: explain(ranked, seen, cut),
        searched: { words: search.words, vectors: modelOf(search), limit, maxTokens },
      }),
    },
    checkedAt,
  };
}

function modelOf({ vector }: RankedAnswer["search"]) {
  return vector === undefined ? undefined : { model: vector.model, weight: vector.weight };
}
