import type { AsyncScope } from "../foundation/async-scope.ts";
import type { Clock } from "../foundation/clock.ts";
import type { Scheduler } from "../foundation/scheduler.ts";
import type { TimerWheel } from "../foundation/timer-wheel.ts";
import type { Logger } from "../events/logger.ts";
import type { Workshop } from "./compile-graph.ts";
import type { Pausing } from "./context/pausing.ts";
import type { Joining } from "./delivery/joining.ts";
import type { Durability, DurableRun } from "./durability.ts";
import type { Agenda } from "./admission/agenda.ts";
import type { Ending } from "./termination/ending.ts";
import type { Failing } from "./termination/failing.ts";
import type { Slots } from "./admission/slots.ts";
import type { Ledger } from "./observe/ledger.ts";
import type { Reporter } from "./observe/reporter.ts";
import type { Rookery } from "./results/rookery.ts";
import type { RunIdentity } from "./state/run-identity.ts";
import type { Trace } from "./state/trace.ts";
import type { TraceTable } from "./state/trace-table.ts";

/** The parts of a run that its journal reads, and to which it gives back what it has kept. */
export interface DurableHost {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly timers: TimerWheel;
  readonly options: {
    readonly name: string;
    readonly logger: Logger;
    readonly homeScope: AsyncScope;
    readonly emitErrorsToRookery: boolean;
    readonly maxResults: number;
  };
  readonly identity: RunIdentity;
  readonly workshop: Workshop;
  readonly traces: TraceTable;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly agenda: Agenda;
  readonly slots: Slots;
  readonly joining: Joining;
  readonly failing: Failing;
  readonly ending: Ending;
  readonly pausing: Pausing;
  readonly rookery: Rookery;
  readonly isStopping: boolean;
  /** Whether every trace is being ended. */
  readonly isEnding: boolean;
  /** Traces accepted since the run began. */
  accepted: number;
  /** Called when the journal can be written no more: nothing that happens from now on would last. */
  onJournalLost: (() => void) | undefined;
  /** Gives a trace the async context of the code that calls this. */
  keepScope(trace: Trace): void;
  /** Ends a trace at an instant, at once if that has passed. */
  setDeadline(trace: Trace, deadlineAt: number): void;
}

/** Begins a durable run. */
export type StartDurable = (engine: DurableHost) => DurableRun;

const starters = new WeakMap<object, StartDurable>();

/** Makes an option known as what makes flows durable. How it does is nobody else's business. */
export function registerDurability(durability: Durability, start: StartDurable): Durability {
  starters.set(durability, start);
  return durability;
}

/** How the runs of a flow with that option are begun. */
export function starterOf(durability: unknown): StartDurable | undefined {
  return typeof durability === "object" && durability !== null ? starters.get(durability) : undefined;
}
