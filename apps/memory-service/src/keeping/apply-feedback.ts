import { valueOf } from "../feedback/classifier.ts";
import type { TurnFeedback } from "../feedback/judge-turn.ts";
import type { Rows } from "../store/rows.ts";
import { reinforced, strengthAt } from "../strength.ts";

/** Strengthens or weakens an owner's fragments by feedback, and logs it. */
export async function applyFeedback(
  rows: Rows,
  owner: string,
  { kind, about, fallback }: TurnFeedback,
  now: number,
  traceId: string,
): Promise<number> {
  if (kind === "none") return 0;
  let applied = 0;
  for (const id of about) {
    const fragment = await rows.fragments.ofOwner(owner, id);
    if (fragment === undefined) continue;
    await rows.fragments.setStrength(fragment.seq, reinforced(strengthAt(fragment, now), valueOf(kind)), now);
    const detail = { kind, by: fallback === undefined ? "classifier" : "rules" };
    await rows.events.add({
      type: "feedback_classified",
      seq: fragment.seq,
      owner,
      actor: owner,
      at: now,
      traceId,
      detail,
    });
    applied += 1;
  }
  return applied;
}
