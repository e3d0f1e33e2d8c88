import { lineageText } from "../../foundation/lineage.ts";
import type { SavedCall, SavedItem, SavedTrace } from "./saved-trace.ts";

/** Prepares a failed trace for a retry: handlers are called anew, and may repeat effects that failed. */
export function triedAgain(
  { error: _, isErrorUnread: __, outcome: ___, ...state }: SavedTrace,
  now: number,
  asked: SavedTrace["pauses"] = state.pauses,
): SavedTrace {
  // a handler that continues without an answer, or has slept, must not begin to wait anew
  const pauses = asked?.filter(
    ({ answer, goesOn, expiresAt }) => answer !== undefined || goesOn === true || (expiresAt ?? Infinity) > now,
  );
  const isAsked = (item: SavedItem): boolean => {
    const lineage = lineageText(...item.lineage);
    const isOf = (key: string): boolean => key.startsWith(`${lineage}/`) || key.includes(`/${lineage}@`);
    return pauses?.some(({ key, answer }) => answer === undefined && isOf(key)) === true;
  };
  const { deadlineAt, given, ...rest } = state;
  return {
    ...rest,
    ...(given === undefined ? {} : { given: { digest: given.digest, keepMs: given.keepMs } }),
    ...(deadlineAt === undefined || deadlineAt <= now ? {} : { deadlineAt }),
    items: state.items.map(({ dueAt, ...item }) => ({
      ...item,
      ...(dueAt === undefined || dueAt <= now ? {} : { dueAt }),
      attempt: 1,
      where: item.where === "pause" && !isAsked(item) ? "handler" : item.where,
    })),
    ...(state.pauses === undefined || pauses === undefined ? {} : { pauses }),
    ...(state.calls === undefined ? {} : { calls: state.calls.flatMap((call) => calledAgain(call, now, pauses)) }),
    ...(state.effects === undefined ? {} : { effects: state.effects.filter(([, { status }]) => status !== "failed") }),
  };
}

/** Prepares a call for a retry of its trace. A call that has failed is made anew. */
function calledAgain(call: SavedCall, now: number, pauses: SavedTrace["pauses"]): SavedCall | [] {
  if (call.error !== undefined) return [];
  return call.trace === undefined ? call : { ...call, trace: triedAgain(call.trace, now, pauses) };
}
