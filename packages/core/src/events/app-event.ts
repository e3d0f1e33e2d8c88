import type { AppEvent, FlowEvent } from "./flow-event.ts";
import { jsonFault } from "../foundation/json.ts";
import { shown } from "../foundation/options.ts";

/** Maximum length of an event's data as JSON, in characters. */
const MAX_DATA = 16_384;

/** Maximum length of an event's type, which becomes a metric label. */
const MAX_TYPE = 128;

const TYPE = /^app\.[\w.-]+$/;

/** Whether an event was reported by `ctx.tell`. */
export function isAppEvent(event: FlowEvent): event is AppEvent {
  return event.type.startsWith("app.");
}

/**
 * Checks the type of a program's own event.
 *
 * @throws TypeError
 */
export function requireAppEventType(type: unknown): asserts type is string {
  if (typeof type === "string" && type.length <= MAX_TYPE && TYPE.test(type)) return;
  throw new TypeError(
    `Option "type" of tell must be "app." and a name of letters, digits, "_", "-" and ".", at most ${MAX_TYPE} characters in all: got ${shown(type)}`,
  );
}

/** Returns the reason why an event with this data cannot be reported; `undefined` if it can. */
export function refusedData(type: string, data: unknown): string | undefined {
  const fault = data === undefined ? undefined : jsonFault(data, "data", MAX_DATA);
  if (fault === undefined) return undefined;
  const advice = fault.isTooLong ? "report less, or a reference to it" : "report JSON data";
  return `Cannot report event "${type}": ${fault.path} is ${fault.problem}; ${advice}`;
}
