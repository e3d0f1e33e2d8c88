import type { RunFact } from "../ipc/fact.ts";

/** Joins pieces of one text that follow each other, so that they are kept and sent as one. */
export function mergeFacts(facts: readonly RunFact[]): RunFact[] {
  const merged: RunFact[] = [];
  /** Index of the last fact of each run. */
  const lastOf = new Map<string, number>();
  for (const fact of facts) {
    const key = JSON.stringify([fact.flow, fact.runId, fact.tenant]);
    const index = lastOf.get(key);
    const joined = index === undefined ? undefined : join(merged[index]!, fact);
    if (index !== undefined && joined !== undefined) merged[index] = joined;
    else lastOf.set(key, merged.push(fact) - 1);
  }
  return merged;
}

function join(one: RunFact, next: RunFact): RunFact | undefined {
  if (one.kind === "chunk" && next.kind === "chunk") {
    const [before, after] = [one.chunk, next.chunk];
    const isOne =
      before.streamId === after.streamId &&
      before.run === after.run &&
      before.channel === after.channel &&
      before.attempt === after.attempt &&
      before.kind === undefined &&
      after.kind === undefined &&
      !before.done;
    return isOne ? { ...one, chunk: { ...after, text: before.text + after.text } } : undefined;
  }
  if (one.kind !== "plan" || next.kind !== "plan") return undefined;
  const [before, after] = [one.event, next.event];
  if (before.type !== "text" && before.type !== "reasoning") return undefined;
  const isOne =
    before.type === after.type && before.step === after.step && before.path.join("/") === after.path.join("/");
  return isOne && "delta" in after ? { ...one, event: { ...before, delta: before.delta + after.delta } } : undefined;
}
