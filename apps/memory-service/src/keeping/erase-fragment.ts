import type { StoredFragment } from "../store/fragment-rows.ts";
import type { Rows } from "../store/rows.ts";
import { rebuildContext } from "./context.ts";

/** Deletes a fragment with everything that was made of it; the log keeps that it was erased, when and by whom. */
export async function eraseFragment(
  rows: Rows,
  fragment: StoredFragment,
  actor: string,
  now: number,
  traceId: string,
): Promise<void> {
  await rows.events.forget(fragment.seq);
  await rows.fragments.delete(fragment.seq);
  if (fragment.requestKey !== undefined) await rows.requests.forgetBody(fragment.requestKey);
  await rebuildContext(rows, fragment);
  await rows.events.add({ type: "erased", owner: fragment.owner, actor, at: now, traceId });
}
