export type {
  ModelScript,
  ScriptedAnswer,
  ScriptedCall,
  ScriptedModel,
  ScriptedModelOptions,
  ScriptedRequest,
  ScriptedTurn,
} from "./scripted-model.ts";
export { scriptedModel } from "./scripted-model.ts";
export { record, replay } from "./cassette.ts";
export type { ExpectedEvent } from "./assert-trajectory.ts";
export { assertTrajectory } from "./assert-trajectory.ts";
export type { ServedCall, ServedTool } from "./served-tools.ts";
export type { TestedSource, ToolSourceContract } from "./tool-source-contract.ts";
export { toolSourceContract } from "./tool-source-contract.ts";
