import type { CompareView, Difference, StepView } from "@penguiflow/playground/protocol";
import type { OpenRun } from "../runs/runs.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { KeptMessages } from "./run-details.ts";

type Row = CompareView["rows"][number];

/** A run with what its steps were given and gave. */
interface Side {
  readonly steps: ReadonlyMap<string, StepView>;
  readonly messages: KeptMessages;
}

/** Lays the steps of two runs side by side: by node, order and attempt. */
export function compareRuns({ runs }: Supervisor, a: OpenRun, b: OpenRun): CompareView {
  const [one, other] = [a, b].map(({ run, key }): Side => ({
    steps: keyed(run.steps),
    messages: new KeptMessages(runs.rows.facts(key)),
  })) as [Side, Side];
  const rows = merged([...one.steps.keys()], [...other.steps.keys()]).map((key): Row => {
    const [left, right] = [one.steps.get(key), other.steps.get(key)];
    const differs =
      left === undefined || right === undefined ? ["path" as const] : differencesOf(left, right, one, other);
    return { node: (left ?? right)!.node, differs, ...(left && { a: left }), ...(right && { b: right }) };
  });
  const row = rows.findIndex(({ differs }) => differs.length > 0);
  const kind = rows[row]?.differs[0];
  const view = { a: runs.summaryOf(a), b: runs.summaryOf(b), rows };
  return kind === undefined ? view : { ...view, first: { row, kind, text: textOf(rows[row]!, kind) } };
}

/** Names each step by its node, its place among the messages of that node, and its attempt. */
function keyed(steps: readonly StepView[]): ReadonlyMap<string, StepView> {
  const counts = new Map<string, number>();
  return new Map(
    steps.map((step) => {
      const place = [...step.path, `${step.node}.${step.attempt}`].join("/");
      const count = (counts.get(place) ?? 0) + 1;
      counts.set(place, count);
      return [`${place}#${count}`, step];
    }),
  );
}

/** Joins two orders: that of the first, with what the second alone has after what comes before it there. */
function merged(one: readonly string[], other: readonly string[]): string[] {
  const known = new Set(one);
  const all = [...one];
  let at = -1;
  for (const key of other) {
    if (known.has(key)) at = all.indexOf(key);
    else all.splice((at += 1), 0, key);
  }
  return all;
}

function differencesOf(left: StepView, right: StepView, one: Side, other: Side): Difference[] {
  const differs: Difference[] = [];
  if (left.state !== right.state) differs.push("state");
  if (left.to.toSorted().join("\n") !== right.to.toSorted().join("\n")) differs.push("path");
  const payloads = (step: StepView, { messages }: Side): string =>
    JSON.stringify([messages.input(step)?.payload, messages.outputs(step).map(({ node, payload }) => [node, payload])]);
  if (payloads(left, one) !== payloads(right, other)) differs.push("payload");
  return differs;
}

function textOf({ node, a, b }: Row, kind: Difference): string {
  if (a === undefined) return `${node} ran in the second run alone`;
  if (b === undefined) return `${node} ran in the first run alone`;
  if (kind === "state") return `${node} is ${a.state} in the first run, ${b.state} in the second`;
  if (kind === "payload") return `${node} was given or gave other data`;
  return `${node} sent to ${a.to.join(", ") || "none"} in the first run, to ${b.to.join(", ") || "none"} in the second`;
}
