/** What {@link lintFlow} looks for, in the order in which it reports. */
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

/** Something about a flow that is worth a look. */
export interface Finding {
  readonly rule: LintRule;
  /** `"error"`: the flow cannot work as it is drawn. `"warning"`: it works until a bad day. */
  readonly severity: "error" | "warning";
  /** The nodes it is about. Those of a playbook stand behind the node that calls it: `"caller/node"`. */
  readonly nodes: readonly string[];
  /** What is wrong, and what comes of it. */
  readonly reason: string;
  /** What to do about it. */
  readonly fix: string;
}

/** What a rule says of one place, before it is known where that place is. */
export interface Problem {
  readonly nodes: readonly string[];
  readonly reason: string;
  readonly fix: string;
}

/** Names as they stand in sentences. */
export function quoted(names: readonly string[], between = ", "): string {
  return names.map((name) => `"${name}"`).join(between);
}
