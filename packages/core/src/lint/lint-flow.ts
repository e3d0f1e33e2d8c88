import { shown } from "../foundation/options.ts";
import { type HasGraph, isGraph } from "../graph/graph-json.ts";
import type { Graph } from "../graph/graph.ts";
import type { Finding, LintRule } from "./finding.ts";
import { type Place, PlaybookGraphs, retriesOf, type Rule } from "./place.ts";
import { deadEnd } from "./rules/dead-end.ts";
import { deadlockProneCycle } from "./rules/deadlock-prone-cycle.ts";
import { ioWithoutTimeout } from "./rules/io-without-timeout.ts";
import { joinNeverFills } from "./rules/join-never-fills.ts";
import { loopWithoutBudget } from "./rules/loop-without-budget.ts";
import { nestedRetries } from "./rules/nested-retries.ts";
import { retriedWrites } from "./rules/retried-writes.ts";
import { returnsAndEmits } from "./rules/returns-and-emits.ts";
import { unreachableNode } from "./rules/unreachable-node.ts";

const RULES: Readonly<Record<LintRule, readonly [severity: Finding["severity"], rule: Rule]>> = {
  "join-never-fills": ["error", joinNeverFills],
  "unreachable-node": ["error", unreachableNode],
  "dead-end": ["warning", deadEnd],
  "loop-without-budget": ["warning", loopWithoutBudget],
  "deadlock-prone-cycle": ["warning", deadlockProneCycle],
  "nested-retries": ["warning", nestedRetries],
  "retried-writes": ["warning", retriedWrites],
  "io-without-timeout": ["warning", ioWithoutTimeout],
  "returns-and-emits": ["warning", returnsAndEmits],
};

/**
 * Checks a flow, running or not, for mistakes that compile: joins that never fill, cycles without end, retries that
 * multiply. Subflows and the playbooks that nodes declare with `calls` are checked too, so functions that create
 * playbooks are called once. Errors come first, then the order of {@link LintRule}, then the order of the graph.
 *
 * @example
 * ```ts
 * test("the flow is sound", () => expect(lintFlow(flow)).toEqual([]));
 * ```
 * @throws TypeError when it receives no flow, or a node's `calls` contain something that creates none
 */
export function lintFlow(flow: HasGraph): Finding[] {
  const graph: unknown = (flow as HasGraph | null | undefined)?.graph;
  if (!isGraph(graph)) throw new TypeError(`lintFlow needs a flow, as create makes it: got ${shown(flow)}`);
  const places = placesOf(graph);
  const rules = Object.entries(RULES) as [LintRule, (typeof RULES)[LintRule]][];
  return rules.flatMap(([rule, [severity, find]]) =>
    places.flatMap((place) => find(place).map((problem) => ({ rule, severity, ...problem }))),
  );
}

/**
 * Returns the graph and those of its playbooks, callers first. A playbook called twice in the same way is checked once.
 */
function placesOf(graph: Graph): Place[] {
  const playbooks = new PlaybookGraphs();
  const places: Place[] = [{ graph, prefix: "", repeatedBy: undefined, isTimed: false, playbooks }];
  const seen = new Map<Graph, Set<string>>([[graph, new Set(["false false"])]]);
  for (const { graph: outer, prefix, repeatedBy, isTimed } of places) {
    for (const { node } of outer.vertices) {
      const caller = prefix + node.name;
      const repeater = repeatedBy ?? (retriesOf(node) > 0 ? caller : undefined);
      const timed = isTimed || node.policy.timeoutMs !== undefined || node.policy.perMessage !== undefined;
      const way = `${repeater !== undefined} ${timed}`;
      for (const inner of playbooks.of(node)) {
        const ways = seen.get(inner) ?? new Set();
        if (ways.has(way)) continue;
        seen.set(inner, ways.add(way));
        places.push({ graph: inner, prefix: `${caller}/`, repeatedBy: repeater, isTimed: timed, playbooks });
      }
    }
  }
  return places;
}
