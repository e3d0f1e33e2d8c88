import { create, FinalAnswer, type Message, node, payloadNode, WM } from "penguiflow";

/** Maximum number of rounds. */
export const HOPS = 20;

const begin = payloadNode("begin", (start: number) => {
  if (!Number.isSafeInteger(start) || start < 1) throw new TypeError("The input must be a whole number of 1 or more");
  return new WM<number>({ query: `from ${start} to 1`, budgetHops: HOPS, facts: [start] });
});

// what it returns decides: a working memory goes round again, a final answer leaves the loop
const step = node({ name: "step", allowCycle: true }, ({ payload }: Message<WM<number>>) => {
  const last = payload.facts.at(-1)!;
  if (last === 1) return new FinalAnswer({ text: payload.facts.join(" → ") });
  return payload.with({ facts: [...payload.facts, last % 2 === 0 ? last / 2 : 3 * last + 1] });
});

export const flow = create(begin.to(step), step.to(step), { name: "halve" });
