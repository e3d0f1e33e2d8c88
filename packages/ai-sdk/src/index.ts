export { agentNode, type AgentAnswer, type AgentPrompt, type StreamingAgent } from "./agent-node.ts";
export { fromAiTools, type AiToolSettings, type FromAiToolsOptions } from "./from-ai-tools.ts";
export {
  toAiTool,
  type CallableFlow,
  type CallerOptions,
  type PlanAnswer,
  type PlanQuestion,
  type RunnablePlanner,
  type ToAiToolOptions,
} from "./to-ai-tool.ts";
export {
  toUiMessageStream,
  type QuestionData,
  type UiMessageStreamOptions,
  type UnansweredEnd,
} from "./to-ui-message-stream.ts";
