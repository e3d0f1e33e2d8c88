export { openTelemetry, type OpenTelemetryOptions } from "./open-telemetry.ts";
export { plannerSpans, type PlannerContents, type PlannerEvent, type PlannerSpansOptions } from "./planner-spans.ts";
export type { Contents } from "./span-writer.ts";
