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
