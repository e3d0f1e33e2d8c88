/** The rules of {@link lintFlow}, in reporting order. */
export type LintRule =
  | "join-never-fills"
  | "unreachable-node"
  | "dead-end"
  | "loop-without-budget"
  | "deadlock-prone-cycle"
  | "nested-retries"
  | "retried-writes"
  | "io-without-timeout"
  | "returns-and-emits";

/** A problem that the linter found in a flow. */
export interface Finding {
  readonly rule: LintRule;
  /** `"error"`: the flow cannot work as drawn. `"warning"`: it may fail under load or on errors. */
  readonly severity: "error" | "warning";
  /** The affected nodes. Nodes of a playbook follow the name of the calling node: `"caller/node"`. */
  readonly nodes: readonly string[];
  /** The problem and its consequence. */
  readonly reason: string;
  /** The remedy. */
  readonly fix: string;
}

/** A rule's result for one place, before the place itself is known. */
export interface Problem {
  readonly nodes: readonly string[];
  readonly reason: string;
  readonly fix: string;
}

/** Formats names for a sentence. */
export function quoted(names: readonly string[], between = ", "): string {
  return names.map((name) => `"${name}"`).join(between);
}
