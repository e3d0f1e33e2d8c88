import { mapConcurrent } from "penguiflow";
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
  signal: AbortSignal,
): Promise<GatheredSource[]> {
  const { viewer, now } = search;
  const ask = async (tenant: string, until: AbortSignal): Promise<readonly RankedCandidate[] | undefined> => {
    const isForeign = tenant !== viewer.tenant;
    const maySee =
      !isForeign || (await services.store.read(tenant, async ({ grants }) => await grants.anyFor(viewer, now)));
    if (!maySee) return undefined;
    const candidates = await searchTenant(services, tenant, search);
    return (await rankCandidates(services, candidates, { viewer, query, now }, until)).ranked;
  };
  const gathered = await mapConcurrent(
    tenants,
    async (tenant, _, outer): Promise<GatheredSource | undefined> => {
      const late = AbortSignal.timeout(SOURCE_MS);
      const until = AbortSignal.any([outer, late]);
      const { promise: ended, reject } = Promise.withResolvers<never>();
      const end = (): void => reject(until.reason as Error);
      until.addEventListener("abort", end, { once: true });
      try {
        const ranked = await Promise.race([ask(tenant, until), ended]);
        return ranked === undefined ? undefined : { tenant, status: "ok", ranked };
      } catch {
        outer.throwIfAborted();
        return { tenant, status: late.aborted ? "timeout" : "failed", ranked: [] };
      } finally {
        until.removeEventListener("abort", end);
      }
    },
    { maxConcurrency: CONCURRENT, signal },
  );
  return gathered.filter((source) => source !== undefined);
}
