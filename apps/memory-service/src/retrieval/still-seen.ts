import type { MemoryServices, Revocations } from "../memory-services.ts";
import type { Viewer } from "../store/sight.ts";
import type { Recall } from "./recall.ts";

/** Repeats a read until no sight was taken away while it ran, so that its answer is true when it is sent. */
export async function whileSeen<Value>(revocations: Revocations, read: () => Promise<Value>): Promise<Value> {
  for (;;) {
    const before = revocations.count;
    const value = await read();
    if (revocations.count === before) return value;
  }
}

/** Leaves out of a recall what the viewer may not see any more, if sight was taken away since its check (law M5). */
export async function stillSeen<Answer extends Pick<Recall, "items" | "candidates">>(
  { store, clock, revocations }: Pick<MemoryServices, "store" | "clock" | "revocations">,
  viewer: Viewer,
  recall: Answer,
  checkedAt: number,
): Promise<Answer> {
  if (revocations.count === checkedAt) return recall;
  const byTenant = Map.groupBy(recall.items, (item) => item.tenant ?? viewer.tenant);
  const mentioned = (recall.candidates ?? []).map(({ id }) => id);
  if (mentioned.length > 0 && !byTenant.has(viewer.tenant)) byTenant.set(viewer.tenant, []);
  const seen = await whileSeen(revocations, async () => {
    const keys = new Set<string>();
    for (const [tenant, items] of byTenant) {
      const ids = [...items.map(({ id }) => id), ...(tenant === viewer.tenant ? mentioned : [])];
      const now = clock.epochNow();
      for (const { id } of await store.read(tenant, async (rows) => await rows.fragments.forViewer(viewer, ids, now)))
        keys.add(`${tenant}/${id}`);
    }
    return keys;
  });
  const isSeen = ({
    id,
    tenant = viewer.tenant,
  }: {
    readonly id: string;
    readonly tenant?: string | undefined;
  }): boolean => seen.has(`${tenant}/${id}`);
  const items = recall.items.filter(isSeen);
  if (recall.candidates === undefined) return { ...recall, items };
  const candidates = recall.candidates.filter(isSeen).map((candidate) => {
    const { alike, ...way } = candidate.way;
    return alike === undefined || isSeen(alike) ? candidate : { ...candidate, way };
  });
  return { ...recall, items, candidates };
}
