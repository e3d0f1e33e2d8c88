export {
  type BackendFigures,
  type ClusterFigures,
  type ClusterFlowFigures,
  observeCluster,
  observeWorker,
  type ObservedCluster,
  type ObservedWorker,
  type WorkerFigures,
  type WorkerFlowFigures,
} from "./cluster-metrics.ts";
export { type MemoryFigure, observeMemory, type ObservedMemory } from "./memory-metrics.ts";
export type { ObserveOptions } from "./observed-figures.ts";
export { openTelemetry, type OpenTelemetryOptions } from "./open-telemetry.ts";
export { plannerSpans, type PlannerContents, type PlannerEvent, type PlannerSpansOptions } from "./planner-spans.ts";
export type { Contents } from "./span-writer.ts";
