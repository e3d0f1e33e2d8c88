export type { EnvelopeOptions } from "./assert-envelope.ts";
export { assertPreservesMessageEnvelope } from "./assert-envelope.ts";
export type { SequenceOptions } from "./recorded-events.ts";
export { assertNodeSequence, getRecordedEvents, recordFlowEvents } from "./recorded-events.ts";
export type { RunOneOptions } from "./run-one.ts";
export { describeStats, runOne } from "./run-one.ts";
export type { SimulatedFault, SimulatedHandler } from "./simulate-error.ts";
export { simulateError } from "./simulate-error.ts";
export { settle, TestClock } from "./test-clock.ts";
