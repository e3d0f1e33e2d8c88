export {
  type BackendFigures,
  type ClusterFigures,
  type ClusterFlowFigures,
  observeCluster,
  observeWorker,
  type ObserveOptions,
  type ObservedCluster,
  type ObservedWorker,
  type WorkerFigures,
  type WorkerFlowFigures,
} from "./cluster-metrics.ts";
export { openTelemetry, type OpenTelemetryOptions } from "./open-telemetry.ts";
export { plannerSpans, type PlannerContents, type PlannerEvent, type PlannerSpansOptions } from "./planner-spans.ts";
export type { Contents } from "./span-writer.ts";
