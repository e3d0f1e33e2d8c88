/**
 * All names that this package writes into telemetry. The `gen_ai` and `messaging` conventions are in development: when
 * they rename, this file alone changes.
 *
 * Read on 29 November 2026:
 * - `messaging`, `error`, `server`: open-telemetry/semantic-conventions v1.45.0. None of the names below is deprecated.
 * - `gen_ai`: open-telemetry/semantic-conventions-genai v0.1.0, its first release, which depends on v1.45.0.
 */

/** Instrumentation scope: the name of this package in the SDK. */
export const SCOPE = "@penguiflow/otel";

/** URL of the published revision of the conventions. */
export const SCHEMA_URL = "https://opentelemetry.io/schemas/1.45.0";

/** Attributes of the general conventions. */
export const ERROR_TYPE = "error.type";
export const SERVER_ADDRESS = "server.address";
export const SERVER_PORT = "server.port";

/**
 * Conventions of messaging: an attempt processes a message, and its node is the consumer. An attempt at a remote node
 * follows the GenAI conventions instead.
 */
export const Messaging = {
  SYSTEM: "messaging.system.name",
  SYSTEM_VALUE: "penguiflow",
  OPERATION_NAME: "messaging.operation.name",
  OPERATION_TYPE: "messaging.operation.type",
  PROCESS: "process",
  DESTINATION: "messaging.destination.name",
  MESSAGE_ID: "messaging.message.id",
  CONVERSATION_ID: "messaging.message.conversation_id",
  BATCH_SIZE: "messaging.batch.message_count",
  PROCESS_DURATION: "messaging.process.duration",
} as const;

/**
 * Conventions of GenAI: a trace runs a workflow (`gen_ai.invoke_agent.internal`, whose operation is `invoke_workflow`
 * and whose agent is the flow). In a planner's trace the operation is `invoke_agent`. An attempt at a remote node invokes
 * an agent (`gen_ai.invoke_agent.client`). Model calls of planners are `gen_ai.client.inference`, their tool calls
 * `gen_ai.execute_tool`; those in other handlers have spans of their own.
 */
export const GenAi = {
  OPERATION_NAME: "gen_ai.operation.name",
  INVOKE_WORKFLOW: "invoke_workflow",
  INVOKE_AGENT: "invoke_agent",
  AGENT_NAME: "gen_ai.agent.name",
  PROVIDER_NAME: "gen_ai.provider.name",
  /** Required by the convention for invoked agents. The provider of the agent's model is unknown. */
  PROVIDER_VALUE: "penguiflow",
  CONVERSATION_ID: "gen_ai.conversation.id",
  CHAT: "chat",
  REQUEST_MODEL: "gen_ai.request.model",
  INPUT_TOKENS: "gen_ai.usage.input_tokens",
  OUTPUT_TOKENS: "gen_ai.usage.output_tokens",
  OUTPUT_MESSAGES: "gen_ai.output.messages",
  EXECUTE_TOOL: "execute_tool",
  TOOL_NAME: "gen_ai.tool.name",
  TOOL_TYPE: "gen_ai.tool.type",
  TOOL_TYPE_VALUE: "function",
  TOOL_CALL_ID: "gen_ai.tool.call.id",
  TOOL_ARGUMENTS: "gen_ai.tool.call.arguments",
  TOOL_RESULT: "gen_ai.tool.call.result",
} as const;

/** Providers that the conventions name otherwise than the AI SDK does. Others keep the AI SDK's name. */
export const PROVIDERS: Readonly<Record<string, string>> = {
  "amazon-bedrock": "aws.bedrock",
  azure: "azure.ai.openai",
  google: "gcp.gemini",
  "google.vertex": "gcp.vertex_ai",
  mistral: "mistral_ai",
  moonshotai: "moonshot_ai",
  xai: "x_ai",
};

/** Names outside the conventions. */
export const Own = {
  FLOW: "penguiflow.flow",
  NODE: "penguiflow.node",
  TENANT: "penguiflow.tenant",
  TOPIC: "penguiflow.topic",
  TRACE_ID: "penguiflow.trace.id",
  /** Attempt number; 1 for the first. */
  ATTEMPT: "penguiflow.attempt",
  /** Outcome of an attempt: an {@link AttemptOutcome}. Of a trace: its outcome's status, or `unloaded`. */
  OUTCOME: "penguiflow.outcome",
  /** Number of results of a trace. */
  RESULTS: "penguiflow.results",
  QUEUE_MS: "penguiflow.queue_ms",
  RUN_MS: "penguiflow.run_ms",
  EMIT_MS: "penguiflow.emit_ms",
  /** Input and return value of a handler, when contents are enabled. */
  INPUT: "penguiflow.input",
  OUTPUT: "penguiflow.output",
  /** Data of an event that a handler told, as JSON. */
  DATA: "penguiflow.data",
  /** Task at the other agent. */
  REMOTE_TASK_ID: "penguiflow.remote.task_id",
  /** Outcome of the call: the state of its task, or `error`, or `cancelled`. */
  REMOTE_STATE: "penguiflow.remote.state",
  REMOTE_SENT: "penguiflow.remote.bytes_sent",
  REMOTE_RECEIVED: "penguiflow.remote.bytes_received",
  /** Status of a planner's end, or `paused`, or `abandoned`. */
  PLAN_OUTCOME: "penguiflow.planner.outcome",
  /** Number of a planner's model call, from 1. */
  STEP: "penguiflow.planner.step",
  /** Number of model calls of a planner's run. */
  STEPS: "penguiflow.planner.steps",
  TOOL_CALLS: "penguiflow.planner.tool_calls",
  /** Tokens in and out. */
  TOKENS: "penguiflow.planner.tokens",
  /** US dollars. */
  COST: "penguiflow.planner.cost_usd",
  /** Reason of a drop: the type of the event. */
  REASON: "penguiflow.reason",
  /** Name of a cluster. */
  CLUSTER: "penguiflow.cluster",
  /** Name of a member of a cluster. */
  MEMBER: "penguiflow.member",
  /** Version of a flow on a cluster. */
  VERSION: "penguiflow.version",
  /** Lane of an intake; 0 has the commands. */
  LANE: "penguiflow.lane",
} as const;

/** Outcome of an attempt. */
export type AttemptOutcome = "success" | "error" | "timeout" | "cancelled" | "abandoned";

/** Metrics outside the conventions. Durations are in seconds, as the conventions require. */
export const Metric = {
  QUEUE_DURATION: "penguiflow.node.queue.duration",
  RUN_DURATION: "penguiflow.node.run.duration",
  EMIT_DURATION: "penguiflow.node.emit.duration",
  QUEUE_DEPTH: "penguiflow.node.queue.depth",
  NODE_IN_FLIGHT: "penguiflow.node.in_flight",
  TRACE_IN_FLIGHT: "penguiflow.trace.in_flight",
  TRACE_DURATION: "penguiflow.trace.duration",
  TRACE_OUTCOMES: "penguiflow.trace.outcomes",
  RETRIES: "penguiflow.node.retries",
  DROPS: "penguiflow.drops",
  REMOTE_DURATION: "penguiflow.remote.duration",
} as const;

/** Metrics of clusters. The first are those of a worker, which each worker tells; the others those of a whole cluster. */
export const ClusterMetric = {
  PARTITIONS: "penguiflow.cluster.partitions",
  HELD: "penguiflow.cluster.partitions.held",
  ACQUIRED: "penguiflow.cluster.partitions.acquired",
  IN_FLIGHT: "penguiflow.cluster.traces.in_flight",
  ENDED: "penguiflow.cluster.traces.ended",
  OUTBOX: "penguiflow.cluster.outbox.size",
  APPEND_P99: "penguiflow.cluster.append.p99",
  FENCED: "penguiflow.cluster.append.fenced",
  SUPERSEDED: "penguiflow.cluster.results.superseded",
  LOOP_DELAY: "penguiflow.cluster.loop.delay",
  LEASE: "penguiflow.cluster.lease",
  /** Of a worker where its backend tells it the size of its partitions, else of the cluster. */
  STORED: "penguiflow.cluster.checkpoints.stored",
  LIVE: "penguiflow.cluster.checkpoints.live",
  MEMBERS: "penguiflow.cluster.members",
  WORKERS: "penguiflow.cluster.flow.workers",
  ORPHANED: "penguiflow.cluster.flow.orphaned",
  UNOWNED: "penguiflow.cluster.partitions.unowned",
  BACKLOG: "penguiflow.cluster.backlog",
  OFFER_AGE: "penguiflow.cluster.offer.age",
  INTAKE_FILL: "penguiflow.cluster.intake.fill",
  KEPT_RESULTS: "penguiflow.cluster.results.kept",
  REPLICAS_BEHIND: "penguiflow.cluster.replicas.behind",
  REPLICA_LAG: "penguiflow.cluster.replicas.lag",
} as const;

/** Keys of a message's meta. `traceparent` and `tracestate` are those of W3C Trace Context. */
export const MetaKey = {
  TRACEPARENT: "traceparent",
  TRACESTATE: "tracestate",
  /** The `traceparent` of every message in a join's group. */
  TRACELINKS: "tracelinks",
} as const;
