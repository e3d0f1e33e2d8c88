import type { TraceRecord } from "../../ports/trace-recorder.ts";
import type { Flow } from "../../flow/flow.ts";
import type { Restart } from "../laws/record-laws.ts";
import type { Odds, Setting } from "./odds.ts";
import type { SeededSchedule } from "./seeded-schedule.ts";
import type { SimulateOptions } from "./simulate-options.ts";
import type { SimulatedCheckpointStore } from "./simulated-checkpoint-store.ts";
import type { SimulatedProcess } from "./simulated-process.ts";

/** A flow of whatever types. */
export type AnyFlow = Flow<unknown, unknown>;
/** Options of a simulation of such a flow. */
export type AnyOptions = SimulateOptions<unknown, unknown>;

/** A simulated run as its callers, and the checks after its end, see it. */
export interface SimulatedWorld {
  readonly options: AnyOptions;
  readonly setting: Setting;
  readonly odds: Odds;
  readonly schedule: SeededSchedule;
  readonly checkpoints: SimulatedCheckpointStore;
  /** Records so far; for processes that have ended, only those in the checkpoint store. */
  readonly history: readonly (TraceRecord | Restart)[];
  /** Records of all processes, stored or not. */
  readonly allRecords: readonly TraceRecord[];
  readonly processes: readonly SimulatedProcess[];
  /** The process that runs now, and its flow. */
  readonly process: SimulatedProcess;
  readonly flow: AnyFlow;
  /** Whether some requests reach the flow through the intake, and their outcomes leave through the outbox. */
  readonly hasIntake: boolean;
  /** Whether the flow was stopped for good. */
  readonly isStopped: boolean;
  /** Broken laws, one line each. */
  readonly broken: string[];
  /** Returns the keys of the requests with a stored record of this type. */
  storedKeys(type: TraceRecord["type"]): string[];
  /** Tracks a wait until it settles. */
  watch(what: string, wait: Promise<unknown>): void;
  /** Runs a caller's action as soon as a flow is available. */
  whenUp(act: () => void): void;
  /** Lets everything happen that can. */
  playOn(): Promise<void>;
}
