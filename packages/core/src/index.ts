export type { AsyncScope } from "./foundation/async-scope.ts";
export type { Clock } from "./foundation/clock.ts";
export { systemClock } from "./foundation/clock.ts";
export type { BudgetExhaustedInit, ErrorPayload, FlowErrorInit } from "./foundation/flow-error.ts";
export { BudgetExhausted, errorPayload, FlowError, FlowErrorCode, TraceCancelled } from "./foundation/flow-error.ts";
export type { Random } from "./foundation/random.ts";
export { seededRandom } from "./foundation/random.ts";
export type { JsonSchema } from "./foundation/json-schema.ts";
export type { Schema, SchemaInput, SchemaIssue, SchemaOutput, SchemaResult } from "./foundation/schema.ts";
export { shape } from "./foundation/schema.ts";
export type { Scheduler } from "./foundation/scheduler.ts";
export { systemScheduler } from "./foundation/scheduler.ts";

export type { Budget, BudgetLeft } from "./message/budget.ts";
export type { FinalAnswerInit, PlanStep, Thought, WMInit } from "./message/controller.ts";
export { FinalAnswer, WM } from "./message/controller.ts";
export type { MessageChange, MessageHeaders, MessageInit } from "./message/message.ts";
export { DEFAULT_TENANT, Message } from "./message/message.ts";
export type { Meta } from "./message/meta.ts";
export type {
  CancelledOutcome,
  ClosedTrace,
  CompletedOutcome,
  EmptyOutcome,
  ExhaustedOutcome,
  FailedOutcome,
  FinalOutcome,
  Outcome,
  OutcomeBase,
  OutcomeLog,
  OutcomeStatus,
  OpenPause,
  PausedOutcome,
  PauseTicket,
  StoppedOutcome,
} from "./message/outcome.ts";
export type { RemoteInterrupt, RemoteState } from "./message/remote-interrupt.ts";
export type * from "./message/chunk-kinds.ts";
export type * from "./message/principal.ts";
export { Transient, transient } from "./message/transient.ts";
export type { SseOptions, StreamChunk, StreamChunkBase, StreamEnd } from "./message/stream-chunk.ts";
export { chunkId, chunkToWsJson, formatSseEvent } from "./message/stream-chunk.ts";

export type * from "./events/flow-event.ts";
export type { LogFlowEventsOptions } from "./events/log-flow-events.ts";
export { formatFlowEvent, logFlowEvents } from "./events/log-flow-events.ts";
export type { Logger, LoggingOptions, LogLevel } from "./events/logger.ts";
export { configureLogging, defaultLogger } from "./events/logger.ts";
export type { MetricSample } from "./events/metrics.ts";
export { labels, metricSamples } from "./events/metrics.ts";

export type {
  Instrument,
  InstrumentedRun,
  Probe,
  ProbedAttempt,
  ProbedTrace,
  RemoteSkill,
  RunFigures,
} from "./ports/instrument.ts";
export type {
  CheckpointStore,
  CheckpointBatch,
  CheckpointFilter,
  LeaseRequest,
  Checkpoint,
  CheckpointPartition,
  PartitionSize,
  LogRow,
  StoredOutcome,
} from "./ports/checkpoint-store.ts";
export type { ObservedBase, ObservedChunk, ObservedRecord } from "./ports/observed.ts";
export type { SharedLease, SharedLeaseRequest, SharingCheckpointStore } from "./ports/shared-lease.ts";
export type { SourcePlace } from "./graph/source-place.ts";
export type { Artifact, ArtifactRef, ArtifactStore } from "./ports/artifact-store.ts";
export type { Log, LogKey, LogPage, LogRange } from "./ports/log.ts";
export type { Outbox, TracePlace } from "./ports/outbox.ts";
export type { BusEnvelope, MessageBus } from "./ports/message-bus.ts";
export type {
  RemoteBudget,
  RemoteCallHooks,
  RemoteCallRequest,
  RemoteCallResult,
  RemoteChunk,
  RemoteStreamEvent,
  RemoteTask,
  RemoteTransport,
} from "./ports/remote-transport.ts";
export type {
  HistoryPage,
  HistoryQuery,
  RemoteBinding,
  Retention,
  StateStore,
  StoredEvent,
  TraceKey,
  TracePage,
  TraceQuery,
  TraceState,
  TraceSummary,
} from "./ports/state-store.ts";
export type { RecordedOutput, RecordPlace, TraceRecord, TraceRecorder } from "./ports/trace-recorder.ts";

export { OPEN_SEA, ROOKERY } from "./graph/endpoints.ts";
export { Edges } from "./graph/edges.ts";
export type { Graph, SomeNode, Vertex } from "./graph/graph.ts";
export { CycleError } from "./graph/graph.ts";
export type {
  ChunkInit,
  ChunkOptions,
  Context,
  EmitTarget,
  FallbackContext,
  HandlerResult,
  MessageHandler,
  NodeOrName,
  OnceOptions,
  PauseInit,
  PayloadHandler,
  Playbook,
  PlaybookFlow,
  PlaybookOptions,
  Reservation,
  SignalOptions,
  Signals,
  SleepOptions,
  TraceBudget,
  TraceLog,
  WaitOptions,
} from "./graph/handler.ts";
export type { RegisteredModels } from "./graph/model-registry.ts";
export { ModelRegistry } from "./graph/model-registry.ts";
export type { Effects, Gathering, NodeClaims, NodeInit, NodeKind, NodeOptions, Route } from "./graph/node.ts";
export { FlowNode, node, payloadNode } from "./graph/node.ts";
export { Limiter, limiter, type LimiterOptions } from "./graph/limiter.ts";
export type {
  FixedOptions,
  MessagePolicy,
  NodePolicy,
  Policy,
  PolicyFunction,
  ResolvedPolicy,
  RetryQuestion,
} from "./graph/node-policy.ts";

export type { TraceItems, TraceStream } from "./engine/results/trace-reader.ts";
export type { LoggedItem, StreamItem } from "./engine/results/stream-sink.ts";

export { create, createFrom, type FlowOf, type NoNode } from "./flow/create.ts";
export type {
  ChangedTrace,
  Durability,
  Position,
  Recovery,
  UnaskedPause,
  UnfinishedTrace,
} from "./engine/durability.ts";
export type { CancelReport } from "./engine/termination/ending.ts";
export type { StopReport } from "./engine/engine.ts";
export type {
  AcceptOptions,
  EmitOptions,
  FetchOptions,
  StreamOptions,
  TraceOptions,
  WithLog,
} from "./flow/call-options.ts";
export type { Runnable, RunNeeds, RunOptions, RunSettings, StandIn } from "./flow/flow.ts";
export { type ExternalTask, FlowRun } from "./flow/flow-run.ts";
export { Flow } from "./flow/flow.ts";
export type { ObservedRun } from "./flow/observed-run.ts";
export type { FlowPauses, PauseFilter } from "./flow/pauses.ts";
export type { FlowIntake } from "./flow/intake.ts";
export type { FlowRecovery } from "./flow/recovery.ts";
export type { FlowLimits, FlowOptions, ResolvedOptions } from "./engine/flow-options.ts";
export type { EdgeStats, FlowStats, LimiterStats, NodeStats } from "./engine/flow-stats.ts";
export type { ObserverCount, ObserverStats } from "./engine/observe/reporter.ts";

export type { Group, JoinOptions } from "./patterns/join-k.ts";
export { joinK } from "./patterns/join-k.ts";
export type { ItemResult, MapConcurrentOptions } from "./patterns/map-concurrent.ts";
export type { Pump, PumpHooks, PumpLimits, PumpOptions, PumpStats } from "./patterns/pump.ts";
export { startPump } from "./patterns/pump.ts";
export type { Claim } from "./patterns/pump-source.ts";
export { mapConcurrent } from "./patterns/map-concurrent.ts";
export type { RemoteNodeOptions } from "./patterns/remote-node.ts";
export { remoteNode } from "./patterns/remote-node.ts";
export type { BoundTask, RemoteTasksQuery } from "./patterns/remote-tasks.ts";
export { remoteTasks } from "./patterns/remote-tasks.ts";
export type {
  ChosenNames,
  MissingTargets,
  PredicateRouter,
  RouteChoice,
  RouterOptions,
} from "./patterns/predicate-router.ts";
export { predicateRouter } from "./patterns/predicate-router.ts";
export type {
  DictRoutingOptions,
  RoutingDecision,
  RoutingMapping,
  RoutingPolicy,
  RoutingRequest,
} from "./patterns/routing-policy.ts";
export { DictRoutingPolicy } from "./patterns/routing-policy.ts";
export type { EmitStreamEventsOptions, KeepAlive, KeepAliveOptions, StreamFlowOptions } from "./patterns/streaming.ts";
export { emitStreamEvents, keepAlive, streamFlow } from "./patterns/streaming.ts";
export type { FlowNodeOptions } from "./patterns/subflow.ts";
export { callPlaybook, flowNode } from "./patterns/subflow.ts";
export type { UnionRouter } from "./patterns/union-router.ts";
export { unionRouter } from "./patterns/union-router.ts";

export type { TraceFilter } from "./history/read-history.ts";
export { exportTraces, readHistory, readTraces } from "./history/read-history.ts";
export { replayTrace } from "./history/replay-trace.ts";

export type { LoopbackAgent } from "./memory/loopback-transport.ts";
export { LoopbackTransport } from "./memory/loopback-transport.ts";
export type { MemoryArtifactStoreOptions } from "./memory/memory-artifact-store.ts";
export { MemoryArtifactStore } from "./memory/memory-artifact-store.ts";
export { MemoryCheckpointStore } from "./memory/memory-checkpoint-store.ts";
export { MemoryLog } from "./memory/memory-log.ts";
export type { BusFilter } from "./memory/memory-message-bus.ts";
export { MemoryMessageBus } from "./memory/memory-message-bus.ts";
export type { MemoryStateStoreOptions } from "./memory/memory-state-store.ts";
export { MemoryStateStore } from "./memory/memory-state-store.ts";

export type { EdgeJson, GatheringJson, GraphJson, HasGraph, NodeJson, PolicyJson } from "./graph/graph-json.ts";
export { graphToJson } from "./graph/graph-json.ts";
export type { DotOptions } from "./graph/render-dot.ts";
export { flowToDot } from "./graph/render-dot.ts";
export type { MermaidOptions } from "./graph/render-mermaid.ts";
export { flowToMermaid } from "./graph/render-mermaid.ts";

// Types by which the compiler checks a graph, for code that defines functions over nodes and flows.
export type {
  AnyConnection,
  AnyEdges,
  AnyNode,
  Beside,
  Connection,
  ConnectionOf,
  Ends,
  GraphOf,
  InputOf,
  IsOpen,
  Itself,
  Lone,
  NameOf,
  NodeAccepting,
  NodeRef,
  NodeTypes,
  Onward,
  OtherNames,
  OutputOf,
  PayloadOf,
  Refused,
  ResourcesOf,
  Targets,
  Typed,
} from "./graph/edge-typing.ts";
export type { ConnectionsFrom, EdgePair } from "./graph/edges.ts";
export type { Anything, Handles, WithInput, WithOutput } from "./graph/node.ts";
export type { Unconnected } from "./patterns/predicate-router.ts";
export type { VariantNode } from "./patterns/union-router.ts";
