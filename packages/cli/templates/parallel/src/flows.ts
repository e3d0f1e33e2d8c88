import { create, joinK, payloadNode } from "penguiflow";

type Finding = { readonly letters: number } | { readonly words: number } | { readonly longest: string };

const read = payloadNode("read", (text: string) => text.trim());
const letters = payloadNode("letters", (text: string): Finding => ({ letters: text.match(/\p{L}/gu)?.length ?? 0 }));
const words = payloadNode("words", (text: string): Finding => ({ words: text.split(/\s+/).length }));
const longest = payloadNode("longest", (text: string): Finding => {
  const [first = ""] = text.split(/\s+/).toSorted((one, other) => other.length - one.length);
  return { longest: first };
});

// a branch that is late does not hold the others up for ever
const gather = joinK<"gather", Finding, 3>("gather", 3, { timeoutMs: 10_000 });

const report = payloadNode("report", (findings: readonly Finding[]) => Object.assign({}, ...findings) as object);

export const flow = create(
  read.to(letters, words, longest),
  letters.to(gather),
  words.to(gather),
  longest.to(gather),
  gather.to(report),
  { name: "findings" },
);
