import { shown } from "../foundation/options.ts";
import { errorPayload, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import type { Engine, StopReport } from "../engine/engine.ts";
import type { ResolvedOptions } from "../engine/flow-options.ts";
import type { Outcome } from "../message/outcome.ts";
import type { TraceKey } from "../ports/state-store.ts";

const behind = new WeakMap<object, Running>();

/** Registers what is behind a run, for functions of this package that take one. */
export function putBehind(run: object, running: Running): void {
  behind.set(run, running);
}

/** Returns what is behind a run. @throws TypeError when it is neither a flow nor a run of one */
export function runningBehind(run: object): Running {
  const found = behind.get(run);
  if (found === undefined) throw new TypeError(`Expected a flow or a run of one: got ${shown(run)}`);
  return found;
}

/** The options of a flow and its engine while it runs: shared by the flow and its groups of methods. */
export class Running {
  options: ResolvedOptions;
  engine: Engine | undefined;
  /** Resolves with the error that ended the latest engine, or `undefined` if it was stopped. */
  closed: Promise<Error | undefined> = Promise.resolve(undefined);
  #stopping: Promise<StopReport> | undefined;
  /** Error that ended the latest engine. */
  #failure: Error | undefined;
  #noteClosed: (why: Error | undefined) => void = () => {};

  constructor(options: ResolvedOptions) {
    this.options = options;
  }

  /** Begins a run. It stops by itself once its checkpoints can no longer be written. */
  begin(engine: Engine): void {
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.options = engine.options;
    this.engine = engine;
    this.closed = promise;
    this.#noteClosed = resolve;
    const stop = (): void => {
      if (this.engine !== engine) return;
      this.stop(0).catch((error: unknown) =>
        this.options.logger.error("stop_failed", { flow: this.options.name, error: errorPayload(error) }),
      );
    };
    engine.onCheckpointsLost = stop;
  }

  /** Ends the run. Idempotent. */
  stop(drainMs: number): Promise<StopReport> {
    const { engine } = this;
    if (engine === undefined) return Promise.resolve({ completed: 0, cancelled: 0, abandoned: 0 });
    this.#stopping ??= engine.close(drainMs).finally(() => {
      this.engine = undefined;
      this.#stopping = undefined;
      this.#failure = engine.durable?.failure;
      this.#noteClosed(this.#failure);
    });
    return this.#stopping;
  }

  /** @throws FlowError `FLOW_NOT_RUNNING` */
  require(): Engine {
    if (this.engine !== undefined) return this.engine;
    const { name, waitsForLease } = this.options;
    if (!waitsForLease && this.#failure !== undefined) throw this.#failure;
    throw new FlowError({
      code: FlowErrorCode.FLOW_NOT_RUNNING,
      message: waitsForLease
        ? `Flow "${name}" is not running: call run() first`
        : `This run of flow "${name}" was stopped: start another`,
    });
  }

  /** Whether the flow accepts messages. */
  get isRunning(): boolean {
    return this.engine !== undefined && !this.engine.isStopping;
  }

  /** Whether the engine has restored what its checkpoint store had: always in a flow that is not durable. */
  get isReady(): boolean {
    return this.require().durable?.isReady !== false;
  }

  /** Resolves with the engine when it has restored what its checkpoint store had. */
  async ready(): Promise<Engine> {
    const engine = this.require();
    await engine.durable?.ready;
    return engine;
  }

  /** Calls `act` with the engine when that is ready: at once in a flow that is not durable. */
  whenReady(reject: (error: unknown) => void, act: (engine: Engine) => void): void {
    if (this.isReady) act(this.require());
    else this.ready().then(act).catch(reject);
  }

  unknownTrace(traceId: string, tenant: string | undefined): FlowError {
    return new FlowError({
      code: FlowErrorCode.TRACE_UNKNOWN,
      message: `No trace "${traceId}" runs in flow "${this.options.name}"`,
      traceId,
      tenant,
    });
  }
}

/** Loads the traces of an id that a durable flow has unloaded. Returns `undefined` when there can be none. */
export function loading(engine: Engine, traceId: string, tenant: string | undefined): Promise<void> | undefined {
  const { durable } = engine;
  return durable === undefined || durable.unloaded === 0 ? undefined : durable.load({ traceId, tenant });
}

/** Whether a trace is in flight, failed, parked, or has an outcome that is not delivered, of those that are loaded. */
export function holdsTrace({ durable, outcomes, traces }: Engine, { traceId, tenant }: TraceKey): boolean {
  return (
    traces.find(traceId, tenant).length > 0 ||
    durable?.holds(traceId, tenant) === true ||
    outcomes.holds(traceId, tenant)
  );
}

/** Loads the trace of a pause if a durable flow has unloaded it. Returns `undefined` when it has not. */
export function loadingPause({ durable, pausing }: Engine, token: string): Promise<void> | undefined {
  if (durable === undefined || durable.unloaded === 0) return undefined;
  const run = pausing.pauses.unknownRunOf(token);
  return run === undefined ? undefined : durable.load({ run });
}

/** Passes an outcome on: in a durable flow when what led to it is stored. */
export function toldWhenStored(engine: Engine, tell: (outcome: Outcome) => void): (outcome: Outcome) => void {
  return engine.durable?.gate.outcome(tell) ?? tell;
}
