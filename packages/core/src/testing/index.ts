export type { EnvelopeOptions } from "./assert-envelope.ts";
export { assertPreservesMessageEnvelope } from "./assert-envelope.ts";
export type { Fault } from "./fault.ts";
export type { ContractCase } from "./contract.ts";
export type { AdapterFault, FaultyOptions } from "./faulty-adapters.ts";
export { faultyMessageBus, faultyRemoteTransport, faultyStateStore } from "./faulty-adapters.ts";
export type { FaultPlan, PlannedFault } from "./fault-plan.ts";
export { faultPlan } from "./fault-plan.ts";
export type { JournalContract } from "./journal-contract.ts";
export { journalContract } from "./journal-contract.ts";
export type { MessageBusContract, TestedBus } from "./message-bus-contract.ts";
export { messageBusContract } from "./message-bus-contract.ts";
export type { RemoteTransportContract, TestedTransport } from "./remote-transport-contract.ts";
export { remoteTransportContract } from "./remote-transport-contract.ts";
export type { StateStoreContract } from "./state-store-contract.ts";
export { stateStoreContract } from "./state-store-contract.ts";
export type { SequenceOptions } from "./recorded-events.ts";
export { assertNodeSequence, getRecordedEvents, recordFlowEvents } from "./recorded-events.ts";
export type { RunOneOptions } from "./run-one.ts";
export { describeStats, runOne } from "./run-one.ts";
export type { Script, ScriptedAttempt, Step, Steps } from "./scripted-node.ts";
export { scriptedNode } from "./scripted-node.ts";
export type {
  SimulatedRequest,
  SimulateOptions,
  SimulationPorts,
  SimulationReport,
  SimulationTools,
} from "./simulate.ts";
export { simulate, SimulationError } from "./simulate.ts";
export type { SimulatedFault, SimulatedHandler } from "./simulate-error.ts";
export { simulateError } from "./simulate-error.ts";
export { settle, TestClock } from "./test-clock.ts";
