import type { PlanEvent } from "../plan/plan-event.ts";
import { differencesOf } from "./differences.ts";

/** An event that is expected: its type, or its type with some of its properties, each whole or in part. */
export type ExpectedEvent =
  | PlanEvent["type"]
  | {
      readonly [Type in PlanEvent["type"]]: { readonly type: Type } & {
        readonly [Key in keyof Extract<PlanEvent, { type: Type }>]?: unknown;
      };
    }[PlanEvent["type"]];

/**
 * Asserts what a run did, step by step. Events of types that are not named are passed over; those of a type that is
 * named must all be there. Events in an inner array may come in any order.
 *
 * @example
 * ```ts
 * assertTrajectory(events, [
 *   { type: "call", tool: "search", args: { query: "penguins" } },
 *   { type: "result", output: { kind: "text" } },
 *   { type: "end", end: { status: "completed" } },
 * ]);
 * ```
 *
 * @throws Error that shows the events up to the first difference, and the difference
 */
export function assertTrajectory(
  events: readonly PlanEvent<unknown>[],
  expected: readonly (ExpectedEvent | readonly ExpectedEvent[])[],
): void {
  const groups = expected.map((group) => (isGroup(group) ? group : [group]));
  const named = new Set(groups.flat().map(typeOf));
  const actual = events.filter(({ type }) => named.has(type));
  let at = 0;
  for (const group of groups) {
    const missing = [...group];
    while (missing.length > 0) {
      const event = actual[at];
      const index = event === undefined ? -1 : missing.findIndex((wanted) => faultsOf(wanted, event).length === 0);
      if (index === -1) throw new Error(report(actual, at, missing));
      missing.splice(index, 1);
      at += 1;
    }
  }
  if (at < actual.length) throw new Error(report(actual, at, []));
}

function isGroup(group: ExpectedEvent | readonly ExpectedEvent[]): group is readonly ExpectedEvent[] {
  return Array.isArray(group);
}

function typeOf(expected: ExpectedEvent): PlanEvent["type"] {
  return typeof expected === "string" ? expected : expected.type;
}

function faultsOf(wanted: ExpectedEvent, event: PlanEvent<unknown>): string[] {
  return differencesOf(typeof wanted === "string" ? { type: wanted } : wanted, event, true);
}

/** Number of events before and behind a difference that are shown. */
const SHOWN = 5;

function report(actual: readonly PlanEvent<unknown>[], at: number, missing: readonly ExpectedEvent[]): string {
  const event = actual[at];
  const before = actual.slice(Math.max(0, at - SHOWN), at).map((each) => `    ${lineOf(each)}`);
  const wanted = missing.map((each) => `  - ${JSON.stringify(each)}`);
  const given = event === undefined ? [] : [`  + ${lineOf(event)}`];
  const [first] = missing;
  const faults =
    event === undefined || first === undefined || missing.length > 1 || typeOf(first) !== event.type
      ? []
      : faultsOf(first, event).map((fault) => `      ${fault}`);
  const behind = actual.slice(at + 1, at + 1 + SHOWN).map((each) => `    ${lineOf(each)}`);
  return [
    `The trajectory differs at event ${at + 1} of the types that are named (- expected, + got):`,
    ...(at > SHOWN ? ["    …"] : []),
    ...before,
    ...(wanted.length === 0 ? ["  - nothing more"] : wanted),
    ...(given.length === 0 ? ["  + nothing more"] : given),
    ...faults,
    ...behind,
    ...(at + 1 + SHOWN < actual.length ? ["    …"] : []),
  ].join("\n");
}

/** Formats what an event says, without what every event has. */
function lineOf(event: PlanEvent<unknown>): string {
  const { type, seq: _, at: __, runId: ___, step, path, ...said } = event;
  const where = path.length === 0 ? "" : ` in ${path.join(" › ")}`;
  const text = JSON.stringify(said, withoutSteps);
  return `${type}${where}, step ${step}: ${text.length > 160 ? `${text.slice(0, 160)}…` : text}`;
}

/** Leaves out of an end what the events before it have said. */
function withoutSteps(key: string, value: unknown): unknown {
  return key === "steps" || key === "spent" ? undefined : value;
}
