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
