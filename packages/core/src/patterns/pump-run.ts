import { onAbort } from "../foundation/abort.ts";
import { errorPayload, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { requireKnownKeys, requireNumber } from "../foundation/options.ts";
import type { Outcome } from "../message/outcome.ts";
import type { ResolvedOptions } from "../engine/flow-options.ts";
import type { Pump, PumpHooks, PumpLimits, PumpStats } from "./pump.ts";
import type { PumpSource } from "./pump-source.ts";

/** Flow, hooks and limits of a {@link PumpRun}. */
export interface PumpParts<Item, Result, Entries extends string> {
  readonly flow: { readonly name: string; readonly isRunning: boolean; readonly closed: Promise<Error | undefined> };
  /** Calls the flow with an item. */
  readonly call: (item: Item, signal: AbortSignal) => Promise<Outcome<Result>>;
  readonly hooks: PumpHooks<Item, Result, Entries>;
  readonly limits: { readonly [Name in keyof Required<PumpLimits>]: number };
  readonly ports: Pick<ResolvedOptions, "clock" | "random" | "logger" | "graceMs">;
}

/**
 * Pumps items from a source into a flow.
 *
 * States: pumping → draining (takes nothing; items in flight settle) → over. An item: taken → in flight → settled.
 */
export class PumpRun<Item, Result, Entries extends string> implements Pump {
  readonly closed: Promise<unknown>;
  readonly #source: PumpSource<Item>;
  readonly #parts: PumpParts<Item, Result, Entries>;
  /** Aborts the reading of the source. */
  readonly #taking = new AbortController();
  /** Cancels the traces of items in flight. */
  readonly #calls = new AbortController();
  readonly #counts = { taken: 0, done: 0, failed: 0, released: 0 };
  /** Whether the source has been asked and has not answered. */
  #isAsking = false;
  /** Whether `wake` was called since the source was last asked. */
  #isWoken = false;
  #onWake: (() => void) | undefined;
  #onSettled: (() => void) | undefined;

  constructor(source: PumpSource<Item>, parts: PumpParts<Item, Result, Entries>) {
    this.#source = source;
    this.#parts = parts;
    this.closed = this.#pump();
    void this.#endWithFlow();
  }

  get stats(): PumpStats {
    return { ...this.#counts, inFlight: this.#inFlight };
  }

  wake(): void {
    this.#isWoken = true;
    this.#onWake?.();
  }

  async stop(options: { readonly drainMs?: number } = {}): Promise<PumpStats> {
    requireKnownKeys("stop", options, ["drainMs"]);
    const { drainMs = 10_000 } = options;
    requireNumber("drainMs", drainMs, 0);
    const { clock, graceMs } = this.#parts.ports;
    this.#stopTaking();
    let cancel = (): void => {};
    const isCut = new Promise<void>((resolve) => {
      cancel = clock.setTimer(() => {
        this.#cut();
        cancel = clock.setTimer(resolve, graceMs);
      }, drainMs);
    });
    await Promise.race([this.closed, isCut]);
    cancel();
    return this.stats;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  get #inFlight(): number {
    const { taken, done, failed, released } = this.#counts;
    return taken - done - failed - released;
  }

  get #isOpen(): boolean {
    return !this.#taking.signal.aborted && this.#parts.flow.isRunning;
  }

  async #pump(): Promise<unknown> {
    const { limits } = this.#parts;
    // the caller must have the pump before its functions are called
    await Promise.resolve();
    let failures = 0;
    let end: unknown;
    while (this.#isOpen) {
      const room = limits.maxInFlight - this.#inFlight;
      if (room === 0) {
        await this.#oneSettled();
        continue;
      }
      this.#isWoken = false;
      try {
        const items = await this.#take(room);
        failures = 0;
        if (items === undefined) break;
        this.#admit(items, room);
        if (items.length === 0) await this.#wait(limits.idleMs);
      } catch (error) {
        // a source that is told of the stop may answer with an error
        if (!this.#isOpen) break;
        failures += 1;
        this.#warn("pump_source_failed", error, { failures });
        if (!this.#source.restart()) {
          end = error;
          break;
        }
        await this.#wait(this.#backoff(failures));
      }
    }
    this.#stopTaking();
    await this.#closeSource();
    while (this.#inFlight > 0) await this.#oneSettled();
    return end;
  }

  /** Asks the source. Resolves without items when the pump stops first; what the source returns later is released. */
  async #take(room: number): Promise<readonly Item[] | undefined> {
    // a source that hears of the stop may still have claimed items: they are waited for as long as those in flight
    const patience = this.#source.hearsSignal ? this.#calls.signal : this.#taking.signal;
    const { promise: isLeft, resolve: leave } = Promise.withResolvers<undefined>();
    const stay = onAbort(patience, () => leave(undefined));
    try {
      return await Promise.race([this.#ask(room), isLeft]);
    } finally {
      stay();
    }
  }

  /** Asks the source. Releases what it returns after the stop. */
  async #ask(room: number): Promise<readonly Item[] | undefined> {
    const { signal } = this.#taking;
    this.#isAsking = true;
    try {
      const items = await this.#source.take(room, signal);
      if (!signal.aborted) return items;
      this.#admit(items ?? [], 0);
      return undefined;
    } finally {
      this.#isAsking = false;
    }
  }

  /** Begins to handle items. Releases those that the pump has no room for. */
  #admit(items: readonly Item[], room: number): void {
    for (const [index, item] of items.entries()) {
      this.#counts.taken += 1;
      if (!this.#isOpen) void this.#release(item, this.#stopped());
      else if (index < room) void this.#handle(item);
      else void this.#release(item, new RangeError(`The source gave ${items.length} items where ${room} had room`));
    }
  }

  /** Calls the flow with an item and settles the item. Never rejects. */
  async #handle(item: Item): Promise<void> {
    const { flow, call, hooks } = this.#parts;
    let outcome: Outcome<Result>;
    try {
      outcome = await call(item, this.#calls.signal);
    } catch (error) {
      if (!flow.isRunning || this.#calls.signal.aborted) return this.#release(item, error);
      return this.#settle("failed", () => hooks.failed?.(item, error, undefined));
    }
    const { status } = outcome;
    if (status === "completed" || status === "empty") return this.#settle("done", () => hooks.done?.(item, outcome));
    if (status === "stopped" || (status === "cancelled" && this.#calls.signal.aborted))
      return this.#release(item, outcome.error);
    return this.#settle("failed", () => hooks.failed?.(item, outcome.error, outcome));
  }

  #release(item: Item, reason: unknown): Promise<void> {
    return this.#settle("released", () => this.#parts.hooks.released?.(item, reason));
  }

  /** Settles an item by its hook. Never rejects: the lease of an item whose hook has failed runs out. */
  async #settle(hook: "done" | "failed" | "released", call: () => unknown): Promise<void> {
    try {
      await call();
    } catch (error) {
      this.#warn("pump_hook_failed", error, { hook });
    }
    this.#counts[hook] += 1;
    this.#onSettled?.();
  }

  /** Waits until an item is settled or the pump stops taking. */
  async #oneSettled(): Promise<void> {
    await new Promise<void>((resolve) => (this.#onSettled = resolve));
    this.#onSettled = undefined;
  }

  /** Waits on the flow's clock, at most until `wake` or the stop. */
  async #wait(delayMs: number): Promise<void> {
    if (this.#isWoken || !this.#isOpen) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#parts.ports.clock.setTimer(resolve, delayMs);
      const wake = (): void => {
        cancel();
        resolve();
      };
      this.#onWake = wake;
    });
    this.#onWake = undefined;
  }

  #backoff(failures: number): number {
    const { backoffBaseMs, maxBackoffMs } = this.#parts.limits;
    const full = Math.min(backoffBaseMs * 2 ** (failures - 1), maxBackoffMs);
    // at least half of it: a source that fails at once must not be asked without end
    return (full / 2) * (1 + this.#parts.ports.random());
  }

  /** Tells the source that nothing more is read. One that still has to answer is not waited for. */
  async #closeSource(): Promise<void> {
    const closing = this.#source.close().catch((error: unknown) => this.#warn("pump_source_failed", error, {}));
    if (this.#isAsking) return;
    const { promise: isCut, resolve } = Promise.withResolvers<void>();
    const leave = onAbort(this.#calls.signal, () => resolve());
    await Promise.race([closing, isCut]);
    leave();
  }

  async #endWithFlow(): Promise<void> {
    await this.#parts.flow.closed;
    this.#stopTaking();
    this.#cut();
  }

  #stopTaking(): void {
    if (!this.#taking.signal.aborted) this.#taking.abort(this.#stopped());
    this.#onWake?.();
    this.#onSettled?.();
  }

  /** Cancels the traces of items in flight. */
  #cut(): void {
    if (!this.#calls.signal.aborted) this.#calls.abort(this.#stopped());
  }

  #stopped(): FlowError {
    const message = `The pump of flow "${this.#parts.flow.name}" was stopped`;
    return new FlowError({ code: FlowErrorCode.FLOW_STOPPED, message });
  }

  #warn(event: string, error: unknown, fields: Readonly<Record<string, unknown>>): void {
    this.#parts.ports.logger.warn(event, { flow: this.#parts.flow.name, ...fields, error: errorPayload(error) });
  }
}
