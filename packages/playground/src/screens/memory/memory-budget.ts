import type { MemoryView } from "../../protocol.ts";

type Kind = MemoryView["items"][number]["kind"];

/** Names of the parts of a memory. */
export const KIND_WORDS: Readonly<Record<Kind, string>> = {
  turn: "verbatim",
  summary: "summary",
  pending: "pending",
  dropped: "dropped",
};

/** Explanations of the parts that are no turns. */
export const KIND_NOTES: Readonly<Record<Exclude<Kind, "turn">, string>> = {
  summary: "Stands for older turns.",
  pending: "The next summary takes it in; until then it is sent as it is.",
  dropped: "The next model call does not see it.",
};

/** The tokens of a kind, and its share of the budget or, without one, of all that is used. */
export interface Share {
  readonly kind: Kind;
  readonly tokens: number;
  readonly share: number;
}

/** Sums what the next model call will see. What was dropped counts nothing. */
export function fullness(view: MemoryView): { readonly used: number; readonly parts: readonly Share[] } {
  const kinds = ["summary", "turn", "pending"] as const;
  const sums = kinds.map((kind) => ({
    kind,
    tokens: view.items.reduce((sum, item) => sum + (item.kind === kind ? item.tokens : 0), 0),
  }));
  const used = sums.reduce((sum, { tokens }) => sum + tokens, 0);
  const whole = Math.max(view.budgetTokens ?? used, used, 1);
  const parts = sums.filter(({ tokens }) => tokens > 0).map((part) => ({ ...part, share: part.tokens / whole }));
  return { used, parts };
}
