export { isAppEvent } from "../events/app-event.ts";
export {
  requireFunction,
  requireInteger,
  requireKnownKeys,
  requireNumber,
  requireOneOf,
  shown,
} from "../foundation/options.ts";
export { summarize } from "../history/summarize.ts";
export { partitionFenced, partitionLeased } from "../ports/checkpoint-errors.ts";
export { requireLogAppend, requireLogRange, requireLogTrim } from "../ports/log-arguments.ts";
export { logConflict } from "../ports/log-errors.ts";
export { requireRetention, RETENTION_OPTIONS } from "./retention-options.ts";
export { fromStorable, toStorable } from "./storable-text.ts";
export { summaryOf } from "./trace-row.ts";
