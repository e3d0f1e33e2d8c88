import type { MemoryEventType } from "../event-type.ts";
import type { Fragment } from "../fragment.ts";
import { conversationKey } from "../keeping/conversation-key.ts";
import { viewsOf } from "../keeping/views.ts";
import type { MemoryServices } from "../memory-services.ts";
import type { Viewer } from "../store/sight.ts";

/** A recall that is about to be answered. */
export interface Recalling {
  readonly tenant: string;
  readonly viewer: Viewer;
  /** Fragments of the answer. */
  readonly ids: readonly string[];
  /** Further fragments that an explanation mentions. */
  readonly mentioned: readonly string[];
  readonly type: Extract<MemoryEventType, "recalled" | "auto_recalled">;
  readonly within: string | undefined;
  readonly traceId: string;
}

/** Checks sight once more, logs what is recalled, and returns it as the viewer sees it, by id. */
export async function confirmRecall(
  { store, clock }: Pick<MemoryServices, "store" | "clock">,
  { tenant, viewer, ids, mentioned, type, within, traceId }: Recalling,
): Promise<Map<string, Fragment>> {
  if (ids.length + mentioned.length === 0) return new Map();
  return await store.write(tenant, async (rows) => {
    const now = clock.epochNow();
    const seen = await rows.fragments.forViewer(viewer, [...ids, ...mentioned], now);
    const recalled = seen.filter(({ id }) => ids.includes(id));
    const isLocal = viewer.tenant === tenant;
    const actor = isLocal ? viewer.user : `${viewer.tenant}/${viewer.user}`;
    const key = within === undefined || !isLocal ? undefined : await conversationKey(rows, viewer.user, within);
    const seqs = recalled.map(({ seq }) => seq);
    await rows.fragments.setRecalled(seqs, now);
    await rows.events.addEach(seqs, { type, actor, at: now, traceId, conversationKey: key });
    const views = await viewsOf(rows, viewer, seen, now);
    return new Map(views.map((view) => [view.id, view]));
  });
}
