import { MEMORY_EVENT_TYPES } from "../event-type.ts";
import { LEVELS, ROLES } from "../fragment.ts";
import { JOB_STATES } from "./job-rows.ts";

/** Returns the words of a CHECK constraint. */
function quotedList(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(", ");
}

/** Constraints that every database has, made from the lists of the code. */
export const CHECKS = {
  text: "length(text) between 1 and 16384",
  role: `role in (${quotedList(ROLES)})`,
  level: `level in (${quotedList(LEVELS)})`,
  strength: "strength between 0 and 1",
  jobState: `state in (${quotedList(JOB_STATES)})`,
  eventType: `type in (${quotedList(MEMORY_EVENT_TYPES)})`,
} as const;
