export type { EnvelopeOptions } from "./kit/assert-envelope.ts";
export { assertPreservesMessageEnvelope } from "./kit/assert-envelope.ts";
export type { Fault } from "./kit/fault.ts";
export type { ContractCase } from "./contracts/contract.ts";
export type { AdapterFault, FaultyOptions } from "./kit/faulty-adapters.ts";
export { faultyLog, faultyMessageBus, faultyRemoteTransport, faultyStateStore } from "./kit/faulty-adapters.ts";
export type { FaultPlan, PlannedFault } from "./kit/fault-plan.ts";
export { faultPlan } from "./kit/fault-plan.ts";
export type { ArtifactStoreContract } from "./contracts/artifact-store-contract.ts";
export { artifactStoreContract } from "./contracts/artifact-store-contract.ts";
export type { CheckpointStoreContract } from "./contracts/checkpoint-store-contract.ts";
export { checkpointStoreContract } from "./contracts/checkpoint-store-contract.ts";
export type { ClusterBackendContract } from "./contracts/cluster-backend-contract.ts";
export { clusterBackendContract } from "./contracts/cluster-backend-contract.ts";
export type { LogContract } from "./contracts/log-contract.ts";
export { logContract } from "./contracts/log-contract.ts";
export type { MessageBusContract, TestedBus } from "./contracts/message-bus-contract.ts";
export { messageBusContract } from "./contracts/message-bus-contract.ts";
export type { RemoteTransportContract, TestedTransport } from "./contracts/remote-transport-contract.ts";
export { remoteTransportContract } from "./contracts/remote-transport-contract.ts";
export type { StateStoreContract } from "./contracts/state-store-contract.ts";
export { stateStoreContract } from "./contracts/state-store-contract.ts";
export type { SequenceOptions } from "./kit/recorded-events.ts";
export { assertNodeSequence, getRecordedEvents, recordFlowEvents } from "./kit/recorded-events.ts";
export type { RunFromOptions } from "../flow/run-from.ts";
export { runFrom } from "../flow/run-from.ts";
export type { RunOneOptions } from "./kit/run-one.ts";
export { describeStats, runOne } from "./kit/run-one.ts";
export type { Script, ScriptedAttempt, Step, Steps } from "./kit/scripted-node.ts";
export { scriptedNode } from "./kit/scripted-node.ts";
export type {
  SeedProgress,
  SimulatedRequest,
  SimulatedSignal,
  SimulateOptions,
  SimulationPorts,
  SimulationTools,
} from "./simulation/simulate-options.ts";
export type { SimulationReport } from "./simulation/simulate.ts";
export { simulate, SimulationError } from "./simulation/simulate.ts";
export type { SimulatedFault, SimulatedHandler } from "./kit/simulate-error.ts";
export { simulateError } from "./kit/simulate-error.ts";
export { settle, TestClock } from "./kit/test-clock.ts";
