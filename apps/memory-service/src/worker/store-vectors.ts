import type { MemoryServices } from "../memory-services.ts";
import type { StoredFragment } from "../store/fragment-rows.ts";
import type { ClaimedJob } from "../store/job-rows.ts";
import type { VectorChange } from "../vector/vector-index.ts";

/** A batch whose vectors are ready. */
export interface VectorBatch {
  readonly principal: { readonly tenant: string };
  readonly model: string;
  readonly jobs: readonly ClaimedJob[];
  readonly fragments: readonly { readonly job: ClaimedJob; readonly fragment: StoredFragment }[];
  readonly vectors: readonly Uint8Array[];
}

/** Fragments that got a vector, and the change for the index. */
export interface StoredBatch {
  readonly written: readonly StoredFragment[];
  readonly change: VectorChange;
}

/** Stores vectors, removes their jobs and logs `embedded`, in one transaction: a job is done exactly when its vector is. */
export async function storeVectors(
  { store, clock }: Pick<MemoryServices, "store" | "clock">,
  { principal: { tenant }, model, jobs, fragments, vectors }: VectorBatch,
  traceId: string,
): Promise<StoredBatch> {
  return await store.write(tenant, async (rows) => {
    const now = clock.epochNow();
    // fragments that were erased while they were embedded get no vector
    const current = await rows.fragments.bySeq(fragments.map(({ fragment }) => fragment.seq));
    const bySeq = new Map(current.map((fragment) => [fragment.seq, fragment]));
    const added = fragments.flatMap(({ job }, at) => {
      const fragment = bySeq.get(job.seq);
      const vector = vectors[at];
      return fragment?.version === job.version && vector !== undefined ? [{ fragment, vector, job }] : [];
    });
    for (const { fragment, vector, job } of added) await rows.vectors.put(fragment.seq, model, job.version, vector);
    const seqs = added.map(({ fragment }) => fragment.seq);
    await rows.events.addEach(seqs, { type: "embedded", actor: "worker", at: now, traceId });
    await rows.jobs.remove(jobs.map(({ id }) => id));
    const placed = added
      .filter(({ fragment }) => fragment.supersededBy === undefined)
      .map(({ fragment: { seq, level, owner }, vector }) => ({
        key: { level, owner: level === "tenant" ? undefined : owner },
        seq,
        vector,
      }));
    const mark = await rows.settings.bumpVectors();
    return { written: added.map(({ fragment }) => fragment), change: { tenant, mark, model, added: placed } };
  });
}
