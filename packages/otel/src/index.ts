export { openTelemetry, type OpenTelemetryOptions } from "./open-telemetry.ts";
export type { Contents } from "./span-writer.ts";
