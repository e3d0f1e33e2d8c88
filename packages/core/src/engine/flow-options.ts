import { type AsyncScope, captureScope, EMPTY_SCOPE } from "../foundation/async-scope.ts";
import { type Clock, systemClock } from "../foundation/clock.ts";
import {
  requireBoolean,
  requireFunction,
  requireInteger,
  requireKnownKeys,
  requireMethods,
  requireNumber,
  requireObject,
  requireText,
  shown,
} from "../foundation/options.ts";
import type { Random } from "../foundation/random.ts";
import type { ClosedTrace } from "../message/outcome.ts";
import { type Scheduler, systemScheduler } from "../foundation/scheduler.ts";
import type { Middleware } from "../events/flow-event.ts";
import { defaultLogger, type Logger, safeLogger } from "../events/logger.ts";
import type { Instrument } from "../ports/instrument.ts";
import type { MessageBus } from "../ports/message-bus.ts";
import type { Outbox } from "../ports/outbox.ts";
import type { StateStore } from "../ports/state-store.ts";
import type { TraceRecorder } from "../ports/trace-recorder.ts";

import type { Durability } from "./durability.ts";
import { starterOf } from "./durable-host.ts";

const DEFAULT_LIMITS: Required<FlowLimits> = {
  maxResults: 1000,
  maxHeldEmits: 1000,
  maxLogItems: 10_000,
  maxKeptLogs: 0,
  rookeryMaxSize: 1024,
  maxSignals: 1000,
  maxKeptOutcomes: 10_000,
  observerBuffer: 10_000,
};

/** Bounds on what a flow keeps. */
export interface FlowLimits {
  /** Number of results `outcome` keeps; further ones are dropped with an event. @defaultValue 1000 */
  readonly maxResults?: number;
  /** Number of emits an attempt of a node with retries may hold back. @defaultValue 1000 */
  readonly maxHeldEmits?: number;
  /** Number of items in the log of a trace. @defaultValue 10000 */
  readonly maxLogItems?: number;
  /** Number of ended traces whose logs `flow.log` still reads; the oldest are removed first. @defaultValue 0 */
  readonly maxKeptLogs?: number;
  /** Number of unread results of `emit`ted messages at which their senders block. @defaultValue 1024 */
  readonly rookeryMaxSize?: number;
  /** Number of signals a trace keeps until its handlers have consumed them; further ones are refused. @defaultValue 1000 */
  readonly maxSignals?: number;
  /**
   * Number of outcomes that a flow that is not durable keeps for their ids; when full, the oldest are evicted.
   * @defaultValue 10000
   */
  readonly maxKeptOutcomes?: number;
  /** Buffer size per observer; when full, new events are dropped and counted. @defaultValue 10000 */
  readonly observerBuffer?: number;
}

/** Options of a flow. */
export interface FlowOptions {
  /** Name of the flow in events and logs. @defaultValue `"flow"` */
  readonly name?: string;
  /**
   * Capacity of each edge in messages; 0 for no bound. A full edge blocks its senders.
   *
   * @defaultValue 64
   */
  readonly queueMaxSize?: number;
  /**
   * Maximum number of traces in flight; 0 for no bound. Further callers wait in a line that is fair to tenants, and
   * `emitNowait` is refused. A cycle of the graph then takes as many traces. Playbook calls and traces that wait only
   * for answers do not count.
   *
   * @defaultValue 0
   */
  readonly maxTraces?: number;
  /** Whether cycles between several nodes are allowed. @defaultValue false */
  readonly allowCycles?: boolean;
  /** Listeners that receive every event, in order. @defaultValue none */
  readonly middlewares?: readonly Middleware[];
  /** Whether `fetch` returns the error of a failed trace as an item. @defaultValue false */
  readonly emitErrorsToRookery?: boolean;
  /** Store for the flow's events and remote bindings. @defaultValue none */
  readonly stateStore?: StateStore;
  /** Receives every message an edge accepts. @defaultValue none */
  readonly messageBus?: MessageBus;
  /**
   * Weight of each tenant's share of a node's work, relative to the other tenants.
   *
   * @defaultValue 1 for every tenant
   */
  readonly tenantWeights?: Readonly<Record<string, number>> | ((tenant: string) => number);
  /**
   * Grace period after abort, in milliseconds. A handler that outlives it loses its slot and counts as a zombie.
   *
   * @defaultValue 1000
   */
  readonly graceMs?: number;
  /** Number of unread items of a stream at which its producers block. @defaultValue 64 */
  readonly streamWindow?: number;
  /** Bounds that few flows need to change. */
  readonly limits?: FlowLimits;
  /** Logger for failures of observers, stores and buses. @defaultValue the default logger */
  readonly logger?: Logger;
  /** Receives every change of a trace's state, for checkpoint stores and simulations. @defaultValue none */
  readonly recorder?: TraceRecorder;
  /** Makes the flow survive a crash: `durable({ checkpoints })` of `penguiflow/durable`. @defaultValue none */
  readonly durability?: Durability;
  /**
   * Returns the last items for the log of a trace that ends without a result: it was cancelled, exhausted, or failed. A
   * durable flow does not close the log of a trace that it may take up again: one that failed or was stopped. Must be
   * synchronous. When the function throws, the fault is logged.
   *
   * @defaultValue the log ends with what its nodes have appended
   */
  readonly closeLog?: ((end: ClosedTrace) => readonly unknown[]) | undefined;
  /** Traces every run from inside; shared with playbooks. @defaultValue none */
  readonly instrument?: Instrument;
  /**
   * Captures the async context of a caller, in which the handlers of its trace run. Needed on hosts with async contexts
   * but without `process.getBuiltinModule`. `create` also calls it once, for observers and stores.
   *
   * @defaultValue an `AsyncResource` of `node:async_hooks` where available
   */
  readonly asyncScope?: () => AsyncScope;
  /** Source of time. @defaultValue the machine's time */
  readonly clock?: Clock;
  /** Source of random numbers. @defaultValue `Math.random` */
  readonly random?: Random;
  /** Scheduler of ready work. @defaultValue ready work runs at once */
  readonly scheduler?: Scheduler;
}

/** {@link FlowOptions} with defaults applied. */
export interface ResolvedOptions {
  readonly name: string;
  readonly queueMaxSize: number;
  readonly maxTraces: number;
  readonly allowCycles: boolean;
  readonly middlewares: readonly Middleware[];
  readonly emitErrorsToRookery: boolean;
  readonly stateStore: StateStore | undefined;
  readonly messageBus: MessageBus | undefined;
  readonly tenantWeights: Readonly<Record<string, number>> | ((tenant: string) => number);
  readonly graceMs: number;
  readonly streamWindow: number;
  readonly limits: Required<FlowLimits>;
  readonly logger: Logger;
  readonly recorder: TraceRecorder | undefined;
  readonly durability: Durability | undefined;
  readonly instrument: Instrument | undefined;
  readonly closeLog: ((end: ClosedTrace) => readonly unknown[]) | undefined;
  readonly asyncScope: () => AsyncScope;
  /** Async context of observers, stores and other work outside every trace. */
  readonly homeScope: AsyncScope;
  /** Whether a durable run waits for the lease of a dead process to expire. Otherwise it ends at once, silently. */
  readonly waitsForLease: boolean;
  /** Receiver of what accepted traces produce. */
  readonly outbox: Outbox | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduler: Scheduler;
}

/** Ports with the methods that a flow calls. */
const PORTS = [
  ["logger", ["debug", "info", "warn", "error"]],
  ["clock", ["now", "epochNow", "setTimer"]],
  ["scheduler", ["nextTurn"]],
  ["stateStore", ["saveEvents", "loadHistory", "saveRemoteBinding", "findRemoteBindings"]],
  ["messageBus", ["publish"]],
] as const;

/** Resolved options that are no options of a flow. */
const OF_A_RUN: ReadonlySet<string> = new Set(["homeScope", "waitsForLease", "outbox"]);

/**
 * Applies the defaults and validates the options.
 *
 * @throws TypeError, RangeError if an option is unknown or out of range
 */
export function resolveOptions(options: FlowOptions): ResolvedOptions {
  for (const name of ["asyncScope", "closeLog", "recorder", "random"] as const)
    if (options[name] !== undefined) requireFunction(name, options[name]);
  for (const [name, methods] of PORTS) if (options[name] !== undefined) requireMethods(name, options[name], methods);
  const resolved: ResolvedOptions = {
    name: options.name ?? "flow",
    queueMaxSize: options.queueMaxSize ?? 64,
    maxTraces: options.maxTraces ?? 0,
    allowCycles: options.allowCycles ?? false,
    middlewares: options.middlewares ?? [],
    emitErrorsToRookery: options.emitErrorsToRookery ?? false,
    stateStore: options.stateStore,
    messageBus: options.messageBus,
    tenantWeights: options.tenantWeights ?? {},
    graceMs: options.graceMs ?? 1000,
    streamWindow: options.streamWindow ?? 64,
    limits: resolveLimits(options),
    logger: safeLogger(options.logger ?? defaultLogger),
    recorder: options.recorder,
    durability: options.durability,
    instrument: options.instrument,
    closeLog: options.closeLog,
    asyncScope: options.asyncScope ?? captureScope,
    homeScope: options.asyncScope?.() ?? EMPTY_SCOPE,
    waitsForLease: true,
    outbox: undefined,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    scheduler: options.scheduler ?? systemScheduler,
  };
  requireKnownKeys(
    "create",
    options,
    Object.keys(resolved).filter((key) => !OF_A_RUN.has(key)),
  );
  requireText("name", resolved.name);
  requireInteger("queueMaxSize", resolved.queueMaxSize, 0);
  requireInteger("maxTraces", resolved.maxTraces, 0);
  requireNumber("graceMs", resolved.graceMs, 0);
  requireInteger("streamWindow", resolved.streamWindow, 1);
  requireBoolean("allowCycles", resolved.allowCycles);
  requireBoolean("emitErrorsToRookery", resolved.emitErrorsToRookery);
  if (!Array.isArray(resolved.middlewares))
    throw new TypeError(`Option "middlewares" must be an array of functions: got ${shown(resolved.middlewares)}`);
  for (const middleware of resolved.middlewares) requireMiddleware(middleware);
  if (resolved.instrument !== undefined && typeof resolved.instrument !== "function")
    throw new TypeError(`Option "instrument" must be a function (run): got ${shown(resolved.instrument)}`);
  if (resolved.durability !== undefined && starterOf(resolved.durability) === undefined)
    throw new TypeError(
      `Option "durability" must be what durable({ checkpoints }) of penguiflow/durable returns: got ${shown(resolved.durability)}`,
    );
  if (typeof resolved.tenantWeights !== "function") {
    requireObject("tenantWeights", resolved.tenantWeights);
    for (const [tenant, weight] of Object.entries(resolved.tenantWeights)) requireWeight(tenant, weight);
  }
  return resolved;
}

/** Fills in the limits that are left out, and checks the others. */
function resolveLimits(options: FlowOptions): Required<FlowLimits> {
  const { limits = {} } = options;
  requireObject("limits", limits);
  const known: { -readonly [Name in keyof FlowLimits]-?: number } = { ...DEFAULT_LIMITS };
  requireKnownKeys("limits", limits, Object.keys(known));
  for (const name of Object.keys(known) as (keyof FlowLimits)[]) {
    if (name in options)
      throw new TypeError(
        `Cannot take option "${name}" of create: it is one of the limits; write limits: { ${name}: ${shown((options as FlowLimits)[name])} }`,
      );
    const limit = limits[name];
    if (limit === undefined) continue;
    requireInteger(`limits.${name}`, limit, name === "maxKeptLogs" ? 0 : 1);
    known[name] = limit;
  }
  return known;
}

/** Throws a TypeError unless `middleware` is a function. */
export function requireMiddleware(middleware: unknown): void {
  if (typeof middleware !== "function")
    throw new TypeError(`A middleware must be a function (event): got ${typeof middleware}`);
}

/** Returns the validated weight of a tenant. */
export function weightOf(options: ResolvedOptions, tenant: string): number {
  const { tenantWeights } = options;
  const weight =
    typeof tenantWeights === "function"
      ? tenantWeights(tenant)
      : Object.hasOwn(tenantWeights, tenant)
        ? (tenantWeights[tenant] ?? 1)
        : 1;
  requireWeight(tenant, weight);
  return weight;
}

function requireWeight(tenant: string, weight: number): void {
  if (typeof weight === "number" && Number.isFinite(weight) && weight > 0) return;
  throw new RangeError(`The weight of tenant "${tenant}" must be a number above 0: got ${String(weight)}`);
}
