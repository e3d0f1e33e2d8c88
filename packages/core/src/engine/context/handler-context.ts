import { detached } from "../../foundation/detached.ts";
import { requireKnownKeys, requireNumber, requireOptions, shown } from "../../foundation/options.ts";
import { requireAppEventType } from "../../events/app-event.ts";
import type { AppEventInit } from "../../events/flow-event.ts";
import type { Logger } from "../../events/logger.ts";
import type { Clock } from "../../foundation/clock.ts";
import type { TimerWheel } from "../../foundation/timer-wheel.ts";
import type {
  ChunkInit,
  Context,
  EmitTarget,
  NodeOrName,
  OnceOptions,
  PauseInit,
  Playbook,
  PlaybookOptions,
  SignalOptions,
  Signals,
  SleepOptions,
  TraceBudget,
  TraceLog,
  WaitOptions,
} from "../../graph/handler.ts";
import type { Message, MessageHeaders } from "../../message/message.ts";
import type { Principal } from "../../message/principal.ts";
import type { StreamChunk } from "../../message/stream-chunk.ts";
import type { DurableRun } from "../durability.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { Ending } from "../termination/ending.ts";
import type { Reporter } from "../observe/reporter.ts";
import type { Attempt } from "../state/attempt.ts";
import type { Budgets } from "./budgets.ts";
import type { Chunks } from "./chunks.ts";
import type { Effects } from "./effects.ts";
import type { Emitting } from "./emitting.ts";
import type { Fetching } from "./fetching.ts";
import type { HandlerWaits } from "./handler-waits.ts";
import type { Logs } from "./logs.ts";
import type { Pausing } from "./pausing.ts";
import type { Playbooks } from "./playbooks.ts";
import { requireSignalName, type Signalling } from "./signalling.ts";
import { whileRunning } from "./while-running.ts";

/** Engine parts that handlers call, through their context or as remote nodes. */
export interface ContextServices {
  readonly resources: unknown;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly options: { readonly logger: Logger };
  readonly agenda: Agenda;
  readonly reporter: Reporter;
  readonly durable: DurableRun | undefined;
  readonly ending: Ending;
  readonly waits: HandlerWaits;
  readonly emitting: Emitting;
  /** Budgets of the outermost flow: its playbooks spend the same. */
  readonly budgets: Budgets;
  readonly chunks: Chunks;
  readonly fetching: Fetching;
  readonly logs: Logs;
  readonly playbooks: Playbooks;
  /** Side effects of the outermost flow, since they outlast a playbook's attempt. */
  readonly effects: Effects;
  readonly pausing: Pausing;
  /** Signals of the outermost flow, whose trace they are sent into. */
  readonly signalling: Signalling;
}

/** Context of a handler, its second argument. Allocated only for handlers that take one; exposes no engine field. */
export class HandlerContext implements Context {
  readonly #attempt: Attempt;
  readonly #services: ContextServices;

  constructor(attempt: Attempt, services: ContextServices) {
    this.#attempt = attempt;
    this.#services = services;
  }

  /** Returns the attempt and services behind a context; `undefined` if a flow did not make it. */
  static behind(ctx: object): { readonly attempt: Attempt; readonly services: ContextServices } | undefined {
    return #attempt in ctx ? { attempt: ctx.#attempt, services: ctx.#services } : undefined;
  }

  get node(): string {
    return this.#attempt.node;
  }

  get successors(): readonly string[] {
    return [...this.#attempt.worker.edgeTo.keys()];
  }

  get traceId(): string {
    return this.#attempt.trace.id;
  }

  get tenant(): string {
    return this.#attempt.trace.tenant;
  }

  get principal(): Principal | undefined {
    return this.#attempt.trace.headers.principal;
  }

  get headers(): MessageHeaders {
    return this.#attempt.trace.headers;
  }

  get message(): Message {
    return this.#attempt.message;
  }

  get attempt(): number {
    return this.#attempt.attempt;
  }

  get signal(): AbortSignal {
    return this.#attempt.signal;
  }

  get deadlineAt(): number | undefined {
    return this.#attempt.trace.deadlineAt;
  }

  get resources(): unknown {
    return this.#services.resources;
  }

  get idempotencyKey(): string {
    return this.#attempt.idempotencyKey;
  }

  get budget(): TraceBudget {
    return this.#services.budgets.of(this.#attempt);
  }

  get log(): TraceLog {
    return this.#services.logs.of(this.#attempt);
  }

  emit(value: unknown, target?: EmitTarget): Promise<void> {
    return this.#guarded("emit", () => this.#services.emitting.emit(this.#attempt, value, targetOf(target)));
  }

  emitNowait(value: unknown, target?: EmitTarget): void {
    this.#attempt.requireRunning("emit");
    this.#services.emitting.emitNowait(this.#attempt, value, targetOf(target));
  }

  emitChunk(chunk: ChunkInit): Promise<StreamChunk> {
    return this.#guarded("emit a chunk", () => this.#services.chunks.emitChunk(this.#attempt, chunk));
  }

  tell(event: AppEventInit): void {
    this.#attempt.requireRunning("report an event");
    requireOptions("tell", event);
    const { type, data } = event as { readonly type: unknown; readonly data?: unknown };
    requireAppEventType(type);
    this.#services.reporter.tell(this.#attempt, type, data);
  }

  fetch(options: WaitOptions & { readonly from?: NodeOrName | readonly NodeOrName[] } = {}): Promise<Message> {
    return this.#guarded("fetch", () => this.#services.fetching.fetch(this.#attempt, options));
  }

  fetchAny(options: WaitOptions & { readonly from?: NodeOrName | readonly NodeOrName[] } = {}): Promise<Message> {
    return this.fetch(options);
  }

  callPlaybook<Input, Result>(
    playbook: Playbook<Input, Result>,
    message?: Input | Message<Input>,
    options: PlaybookOptions = {},
  ): Promise<Result> {
    return this.#guarded("call a playbook", () => {
      requireKnownKeys("callPlaybook", options, ["timeoutMs", "key"]);
      if (options.timeoutMs !== undefined) requireNumber("timeoutMs", options.timeoutMs, 0);
      if (options.key !== undefined) this.#services.pausing.requirePlaybookKey(this.#attempt, options.key);
      return this.#services.playbooks.call(this.#attempt, playbook, message ?? this.message, options);
    }) as Promise<Result>;
  }

  once<Value>(
    key: string,
    run: (effectKey: string) => Value | Promise<Value>,
    options: OnceOptions<Value> = {},
  ): Promise<Value> {
    return this.#detached("run a side effect", () => this.#services.effects.once(this.#attempt, key, run, options));
  }

  pause<Value>(init: PauseInit<Value>): Promise<Value> {
    return this.#detached("pause", () => this.#services.pausing.pause(this.#attempt, init)) as Promise<Value>;
  }

  sleep(delayMs: number, options: SleepOptions = NO_OPTIONS): Promise<void> {
    return this.#guarded("sleep", () => {
      requireNumber("delayMs", delayMs, 0);
      requireSleepOptions("sleep", options);
      if (options.name !== undefined)
        return detached(
          this.#services.pausing.sleep(this.#attempt, this.#services.clock.epochNow() + delayMs, options.name),
        );
      return this.#services.waits.wait(this.#attempt, (resolve) => {
        const timer = this.#services.timers.after(delayMs, () => resolve(undefined));
        return () => timer.cancel();
      });
    });
  }

  sleepUntil(at: number, options: SleepOptions = NO_OPTIONS): Promise<void> {
    return this.#detached("sleep", () => {
      requireNumber("at", at, 0);
      requireSleepOptions("sleepUntil", options);
      return this.#services.pausing.sleep(this.#attempt, at, options.name ?? "sleepUntil");
    });
  }

  signals<Value = unknown>(name: string, options: SignalOptions = {}): Signals<Value> {
    requireSignalName(name);
    requireKnownKeys("signals", options, ["expiresAt"]);
    if (options.expiresAt !== undefined) requireNumber("expiresAt", options.expiresAt, 0);
    return this.#services.signalling.of(this.#attempt, name, options.expiresAt) as Signals<Value>;
  }

  /**
   * Performs an operation if the handler is running; rejects otherwise. A rejection the handler does not await is
   * ignored.
   */
  #detached<Value>(what: string, act: () => Promise<Value>): Promise<Value> {
    return detached(this.#guarded(what, act));
  }

  #guarded<Value>(what: string, act: () => Promise<Value>): Promise<Value> {
    return whileRunning(this.#attempt, what, act);
  }
}

const NO_OPTIONS: SleepOptions = Object.freeze({});

function requireSleepOptions(method: string, options: SleepOptions): void {
  if (options === NO_OPTIONS) return;
  if (typeof options !== "object" || options === null)
    throw new TypeError(`Cannot read the options of ${method}: expected { name }, got ${shown(options)}`);
  requireKnownKeys(method, options, ["name"]);
  const { name } = options;
  if (name !== undefined && (typeof name !== "string" || name === ""))
    throw new TypeError(`Option "name" of ${method} must be a string that is not empty: got ${shown(name)}`);
}

/** @throws TypeError when the options of an emit are no object or have others than `to` */
function targetOf(target: EmitTarget | undefined): EmitTarget["to"] {
  if (target === undefined) return undefined;
  requireOptions("emit", target);
  for (const key in target) if (key !== "to") requireKnownKeys("emit", target, ["to"]);
  return target.to;
}
