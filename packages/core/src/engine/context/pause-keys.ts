import type { Pause } from "../state/trace.ts";
import { type Attempt, outermost } from "../state/attempt.ts";

/** Returns the key prefix of an attempt's pauses: its message, and in a playbook the flow and node that ask. */
export function pausePlace(attempt: Attempt): string {
  const { origin } = attempt.trace;
  return origin === null ? placeOf(attempt) : `${placeOf(attempt)}@${origin.flow}/${attempt.node}`;
}

/** Returns the messages in the keys of an attempt's pauses: the outermost one and its own. */
export function placeOf(attempt: Attempt): string {
  return `${outermost(attempt).lineage}/${attempt.lineage}`;
}

/**
 * Returns the prefix in its earlier form, without the playbook's flow: see `keyOfFirstForm` in `durable/form/read-state.ts`.
 */
export function unnamedPlaybookPlace(attempt: Attempt): string {
  return `${placeOf(attempt)}@/${attempt.node}`;
}

/** Returns the key of a wait for a signal. */
export function listenKey(attempt: Attempt, name: string, position: number): string {
  return `${pausePlace(attempt)}!${position}.${name}`;
}

/** Whether the handler of the attempt's message requested the pause or, in the outermost flow, a playbook it called. */
export function isOf(pause: Pause, attempt: Attempt): boolean {
  return pause.key.startsWith(attempt.trace.origin === null ? `${attempt.lineage}/` : placeOf(attempt));
}
