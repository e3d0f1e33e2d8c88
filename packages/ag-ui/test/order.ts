import type { AGUIEvent, EventType } from "@ag-ui/core";
import { EventSchema } from "@ag-ui/core/schemas";
import { expect } from "vitest";

/** Kinds of things that have a beginning and an end, by their events, with the field that has their id. */
const OPENS: Partial<Record<EventType, readonly [kind: string, field: string]>> = {
  TEXT_MESSAGE_START: ["text", "messageId"],
  REASONING_START: ["span", "messageId"],
  REASONING_MESSAGE_START: ["reasoning", "messageId"],
  TOOL_CALL_START: ["call", "toolCallId"],
  STEP_STARTED: ["step", "stepName"],
  SUBAGENT_STARTED: ["subagent", "subagentRunId"],
};
const WITHIN: typeof OPENS = {
  TEXT_MESSAGE_CONTENT: ["text", "messageId"],
  REASONING_MESSAGE_START: ["span", "messageId"],
  REASONING_MESSAGE_CONTENT: ["reasoning", "messageId"],
  TOOL_CALL_ARGS: ["call", "toolCallId"],
};
const CLOSES: typeof OPENS = {
  TEXT_MESSAGE_END: ["text", "messageId"],
  REASONING_MESSAGE_END: ["reasoning", "messageId"],
  REASONING_END: ["span", "messageId"],
  TOOL_CALL_END: ["call", "toolCallId"],
  STEP_FINISHED: ["step", "stepName"],
  SUBAGENT_FINISHED: ["subagent", "subagentRunId"],
  SUBAGENT_ERROR: ["subagent", "subagentRunId"],
};

/** Returns what an event opens, closes or is a piece of, by a table. Names of steps are unique within a subagent. */
function named(event: AGUIEvent, table: typeof OPENS): string | undefined {
  const [kind, field] = table[event.type] ?? [];
  if (kind === undefined || field === undefined) return undefined;
  const { subagentRunId = "", [field]: id } = event as unknown as Record<string, string>;
  return `${kind} ${kind === "step" ? `${subagentRunId} ` : ""}${id}`;
}

/** Something that is open, with the subagent it belongs to. */
interface Open {
  readonly name: string;
  readonly owner: string | undefined;
}

/**
 * Requires the rules of the order of a run's events: each fits its schema, the first is RUN_STARTED, exactly one ends the
 * run and it is the last, what is opened is closed once and its pieces lie between, and a step, a span or a subagent is
 * closed after what was opened inside it. Steps of nodes that run at once are not nested.
 */
export function requireOrder(all: readonly AGUIEvent[], { hasNestedSteps = true } = {}): void {
  const types: string[] = all.map(({ type }) => type);
  for (const event of all) EventSchema.parse(event);
  expect(types[0]).toBe("RUN_STARTED");
  expect(types.filter((type) => type === "RUN_STARTED")).toHaveLength(1);
  expect(types.filter((type) => type === "RUN_FINISHED" || type === "RUN_ERROR")).toEqual([types.at(-1)]);
  const open: Open[] = [];
  const used = new Set<string>();
  for (const event of all) {
    const [opens, closes, within] = [OPENS, CLOSES, WITHIN].map((table) => named(event, table));
    const names = open.map(({ name }) => name);
    if (within !== undefined) expect(names).toContain(within);
    if (opens !== undefined) {
      expect(names).not.toContain(opens);
      // a step may come again, a message may not
      if (!opens.startsWith("step ")) expect(used).not.toContain(opens);
      used.add(opens);
      open.push({ name: opens, owner: ownerOf(event) });
    }
    if (closes === undefined) continue;
    expect(names).toContain(closes);
    const at = names.indexOf(closes);
    if (hasNestedSteps || !closes.startsWith("step "))
      expect(open.slice(at + 1).filter((one) => isInside(one, open[at] as Open))).toEqual([]);
    open.splice(at, 1);
  }
  expect(open).toEqual([]);
}

function ownerOf(event: AGUIEvent): string | undefined {
  if (named(event, OPENS)?.startsWith("subagent ") === true)
    return (event as { readonly parentSubagentRunId?: string }).parentSubagentRunId;
  return "subagentRunId" in event ? event.subagentRunId : undefined;
}

function isInside(one: Open, outer: Open): boolean {
  const [kind, id] = outer.name.split(" ");
  if (kind === "subagent") return one.owner === id;
  if (kind === "span") return one.name === `reasoning ${id}`;
  return kind === "step" && one.owner === outer.owner && !one.name.startsWith("subagent ");
}
