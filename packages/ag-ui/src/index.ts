export {
  aguiHandler,
  type AguiHandler,
  type AguiOptions,
  type FlowAguiOptions,
  type PlannerAguiOptions,
} from "./agui-handler.ts";
export type { AguiCaller } from "./agent.ts";
export { nodeListener, type NodeListener } from "./node-listener.ts";
export type { AnyPlanner } from "./planner-agent.ts";
export type { RunProblem } from "./run-events.ts";
export { traceIdOf } from "./thread-ids.ts";
export { observeFlows } from "./trace-tap.ts";
