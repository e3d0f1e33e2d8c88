export { DEFAULT_BUDGET, type PlanBudget } from "./plan/budget.ts";
export type { Caller } from "./plan/caller.ts";
export type { Json, JsonSchema } from "./plan/json.ts";
export type { Prompt, PromptPart, ProviderMetadata, Turn, TurnPart } from "./plan/log-item.ts";
export type { PlanInput } from "./plan/loop-state.ts";
export type { BareEnd, PlanBase, PlanEnd, PlanErrorCode, PlanResult, Step, StepCall } from "./plan/plan-end.ts";
export type { PlanEvent } from "./plan/plan-event.ts";
export type { Policy, PolicyCall, ToolInfo, Verdict } from "./plan/policy.ts";
export type { Answerer, Decision, Question } from "./plan/question.ts";
export type { ArtifactRef, ContentPart, ToolErrorCode, ToolOutput } from "./plan/tool-output.ts";
export type { Approval, Checked, Effects, IfUnknown, Tool, ToolContext, ToolInit, ToolQuestion } from "./tools/tool.ts";
export type { ToolResults } from "./tools/replayed-tool.ts";
export type { ListRequest, ToolSource } from "./tools/source.ts";
export type { ModelSettings, ModelTurn, Price, Prices } from "./model/model-turn.ts";
export type { ObservedModelCall } from "./model/watch-model.ts";
export type { PromptParts, RememberedTurn, StepInfo } from "./model/prompt-parts.ts";
export { ModelError, type ModelErrorInit } from "./model/model-error.ts";
export { defaultPrompt } from "./model/prompt.ts";
export type { Memory } from "./memory/thread-memory.ts";
export { threadKey } from "./memory/thread-items.ts";
export { NothingDone, tool } from "./tools/define-tool.ts";
export { flowTool, type FlowToolInit } from "./tools/flow-tool.ts";
export type { PlannerToolInit } from "./tools/planner-tool.ts";
export { remoteTools, type RemoteSkillInit, type RemoteToolsOptions } from "./tools/remote-tools.ts";
export { type SourceLimits, toolsFrom } from "./tools/tools-from.ts";
export { searchable, type SearchableOptions } from "./tools/searchable.ts";
export { type Skill, skillTool, type SkillToolOptions } from "./tools/skill-tool.ts";
export type * from "./flow/app-events.ts";
export type * from "./flow/chunk-kinds.ts";
export { secretPatterns, type SecretPatternsOptions } from "./policies/secret-patterns.ts";
export { shadow } from "./policies/shadow.ts";
export { allowTools, denyTools } from "./policies/tool-lists.ts";
export type { Credentials, SourceState } from "./tools/catalogue.ts";
export type { PlannerBelow } from "./tools/tool.ts";
export type { Critic, PlannerOptions } from "./planner-options.ts";
export {
  createPlanner,
  Planner,
  type PlanRunOptions,
  type ListedTools,
  type PlanStreamOptions,
  type QuestionFilter,
  type StartArguments,
  type ToolNames,
} from "./planner.ts";
