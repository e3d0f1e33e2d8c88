import { type Context, mapConcurrent } from "penguiflow";
import type { MemoryServices } from "../memory-services.ts";
import type { RankedCandidate } from "./candidate.ts";
import { rankCandidates } from "./rank.ts";
import { type SearchQuery, searchTenant } from "./search.ts";

const SOURCE_MS = 1_000;
const CONCURRENT = 4;

/** State in which a source of a federated query has answered. */
export type SourceStatus = "ok" | "timeout" | "failed";

/** A source's candidates. */
export interface GatheredSource {
  readonly tenant: string;
  readonly status: SourceStatus;
  readonly ranked: readonly RankedCandidate[];
}

/**
 * Asks the sources, four at a time, each for at most a second. Each checks its own grants: one without a grant for the
 * viewer is left out, as if it did not exist.
 */
export async function gatherSources(
  services: Pick<MemoryServices, "store" | "index" | "reranker">,
  tenants: readonly string[],
  search: SearchQuery,
  query: string,
  ctx: Context,
): Promise<GatheredSource[]> {
  const { viewer, now } = search;
  const ask = async (tenant: string, _: number, signal: AbortSignal): Promise<GatheredSource | undefined> => {
    try {
      const isForeign = tenant !== viewer.tenant;
      const maySee =
        !isForeign || (await services.store.read(tenant, async ({ grants }) => await grants.anyFor(viewer, now)));
      if (!maySee) return undefined;
      const candidates = await searchTenant(services, tenant, search);
      const { ranked } = await rankCandidates(services, candidates, { viewer, query, now }, signal);
      return { tenant, status: "ok", ranked };
    } catch {
      signal.throwIfAborted();
      return { tenant, status: "failed", ranked: [] };
    }
  };
  const limits = { maxConcurrency: CONCURRENT, itemTimeoutMs: SOURCE_MS, onTimeout: "report", ctx } as const;
  const gathered = await mapConcurrent(tenants, ask, limits);
  return gathered.flatMap((source, at): GatheredSource[] => {
    if (source.isTimedOut) return [{ tenant: tenants[at] ?? "", status: "timeout", ranked: [] }];
    return source.value === undefined ? [] : [source.value];
  });
}
