import type { FederatedResponse } from "../flows/federated-stages.ts";
import type { RetrieveRequest } from "../flows/retrieve-stages.ts";
import type { Fragment } from "../fragment.ts";
import type { MemoryServices } from "../memory-services.ts";
import { confirmRecall } from "./confirm.ts";
import type { GatheredSource, SourceStatus } from "./gather-sources.ts";
import type { Fallback } from "./fallback.ts";
import { cutToBudget, type RecallItem } from "./recall.ts";

/** The answer of a federated query. It is partial when a source has not answered. */
export interface FederatedRecall {
  readonly items: readonly RecallItem[];
  readonly sources: readonly {
    readonly tenant: string;
    readonly status: SourceStatus;
    /** Candidates found there. */
    readonly found: number;
  }[];
  readonly fallbacks: readonly Fallback[];
  readonly truncated: boolean;
}

/** Cuts to the budget, checks sight once more in each source, logs the recalls and words the answer. */
export async function answerSources(
  services: Pick<MemoryServices, "store" | "clock" | "revocations">,
  query: {
    readonly request: RetrieveRequest;
    readonly sources: readonly GatheredSource[];
    readonly scores: ReadonlyMap<string, number>;
    readonly fallbacks: readonly Fallback[];
  },
  traceId: string,
): Promise<FederatedResponse> {
  const { principal, limit, maxTokens, within, type } = query.request;
  const scoreOf = (tenant: string, id: string): number => query.scores.get(`${tenant}/${id}`) ?? 0;
  const all = query.sources
    .flatMap(({ tenant, ranked }) =>
      ranked.map((item) => ({ ...item, tenant, score: scoreOf(tenant, item.fragment.id) })),
    )
    .sort((one, other) => other.score - one.score);
  const { taken, cut } = cutToBudget(all, limit, maxTokens);
  const checkedAt = services.revocations.count;
  const seen = new Map<string, Fragment>();
  for (const { tenant } of query.sources) {
    const ids = taken.filter((item) => item.tenant === tenant).map(({ fragment }) => fragment.id);
    const recalling = { tenant, viewer: principal, ids, mentioned: [], type, within, traceId };
    for (const [id, view] of await confirmRecall(services, recalling)) seen.set(`${tenant}/${id}`, view);
  }
  const items = taken.flatMap(({ tenant, fragment, score, why }) => {
    const view = seen.get(`${tenant}/${fragment.id}`);
    return view === undefined ? [] : [{ ...view, score, why }];
  });
  const sources = query.sources.map(({ tenant, status, ranked }) => ({ tenant, status, found: ranked.length }));
  return { recall: { items, sources, fallbacks: query.fallbacks, truncated: cut.size > 0 }, checkedAt };
}
