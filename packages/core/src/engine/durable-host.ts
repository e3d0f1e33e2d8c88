import type { AsyncScope } from "../foundation/async-scope.ts";
import type { Clock } from "../foundation/clock.ts";
import type { Scheduler } from "../foundation/scheduler.ts";
import type { TimerWheel } from "../foundation/timer-wheel.ts";
import type { Logger } from "../events/logger.ts";
import type { Outbox } from "../ports/outbox.ts";
import type { Workshop } from "./compile-graph.ts";
import type { Pausing } from "./context/pausing.ts";
import type { Joining } from "./delivery/joining.ts";
import type { Durability, DurableRun } from "./durability.ts";
import type { Admission } from "./admission/admission.ts";
import type { Agenda } from "./admission/agenda.ts";
import type { Ending } from "./termination/ending.ts";
import type { Failing } from "./termination/failing.ts";
import type { Slots } from "./admission/slots.ts";
import type { Ledger } from "./observe/ledger.ts";
import type { Reporter } from "./observe/reporter.ts";
import type { KeptOutcomes } from "./results/kept-outcomes.ts";
import type { OutcomeDelivery } from "./results/outcome-delivery.ts";
import type { Rookery } from "./results/rookery.ts";
import type { RunIdentity } from "./state/run-identity.ts";
import type { Trace } from "./state/trace.ts";
import type { TraceTable } from "./state/trace-table.ts";

/** Engine parts that a durable run reads and restores. */
export interface DurableHost {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly timers: TimerWheel;
  readonly options: {
    readonly name: string;
    readonly logger: Logger;
    readonly homeScope: AsyncScope;
    readonly waitsForLease: boolean;
    readonly outbox: Outbox | undefined;
    readonly emitErrorsToRookery: boolean;
    readonly limits: { readonly maxResults: number; readonly maxKeptLogs: number };
    readonly maxTraces: number;
  };
  readonly identity: RunIdentity;
  readonly workshop: Workshop;
  readonly traces: TraceTable;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly admission: Admission;
  readonly agenda: Agenda;
  readonly slots: Slots;
  readonly joining: Joining;
  readonly keptOutcomes: KeptOutcomes;
  readonly failing: Failing;
  readonly ending: Ending;
  readonly pausing: Pausing;
  readonly rookery: Rookery;
  readonly outcomes: OutcomeDelivery;
  readonly durable: DurableRun | undefined;
  readonly isStopping: boolean;
  /** Whether every trace is being ended. */
  readonly isEnding: boolean;
  /** Number of traces accepted since the run began. */
  accepted: number;
  /** Callback for a checkpoint store that can no longer be written: further work would not be durable. */
  onCheckpointsLost: (() => void) | undefined;
  /** Captures the async context of the calling code for a trace. */
  keepScope(trace: Trace): void;
  /** Has the signal of a caller cancel a trace, until that ends. */
  cancelOn(trace: Trace, signal: AbortSignal): void;
  /** Sets the deadline of a trace; ends it at once if the deadline has passed. */
  setDeadline(trace: Trace, deadlineAt: number): void;
}

/** Starts a durable run. */
export type StartDurable = (engine: DurableHost) => DurableRun;

const starters = new WeakMap<object, StartDurable>();

/** Registers an option value as a durability. Only `starterOf` can reach its implementation. */
export function registerDurability(durability: Durability, start: StartDurable): Durability {
  starters.set(durability, start);
  return durability;
}

/** Returns the starter of durable runs behind an option value, if it is a durability. */
export function starterOf(durability: unknown): StartDurable | undefined {
  return typeof durability === "object" && durability !== null ? starters.get(durability) : undefined;
}
