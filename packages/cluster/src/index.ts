export { type Cluster, cluster, type ClusterOptions, type WorkerOptions } from "./cluster.ts";
export { Client, type ClusterLoad } from "./client/client.ts";
export type {
  ClusterCallOptions,
  ClusterOutcome,
  ClusterStreamItem,
  FlowRef,
  TraceReadOptions,
} from "./client/call.ts";
export { ClusterFlow } from "./client/cluster-flow.ts";
export type { ClusterPause } from "./client/pending.ts";
export { formatDrain, formatFailed, formatStatus } from "./operations/format.ts";
export type { ClusterFlowStatus, ClusterMember, ClusterStatus } from "./operations/cluster-status.ts";
export type { ClusterProblem } from "./operations/problems.ts";
export type { FailedTraces } from "./operations/read-failed.ts";
export type { RemoteDrainReport } from "./operations/request-drain.ts";
export type { FailedTrace } from "./form/command.ts";
export { hostBackend } from "./channel/host-backend.ts";
export { ipcChannel } from "./channel/ipc-channel.ts";
export type { Channel } from "./channel/message.ts";
export { remoteBackend } from "./channel/remote-backend.ts";
export { memoryBackend } from "./memory/memory-backend.ts";
export type { MemoryIntakeOptions } from "./memory/memory-intake.ts";
export type { AnyFlow } from "./worker/partition-owner.ts";
export type { WorkerHealth } from "./worker/health.ts";
export type { Spread } from "./worker/recent.ts";
export type { WorkerFlowStatus, WorkerStatus } from "./worker/status.ts";
export { type DrainReport, Worker } from "./worker/worker.ts";
export type { ReleaseOptions } from "./operations/release.ts";
