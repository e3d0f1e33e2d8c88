import {
  type EmitOptions,
  errorPayload,
  FlowError,
  FlowErrorCode,
  type PauseTicket,
  type StreamItem,
  type StreamOptions,
  type TraceItems,
} from "penguiflow";
import { requireKnownKeys, requireNumber } from "penguiflow/adapter";
import type { ClusterSettings } from "../worker/settings.ts";
import type { ClusterOutcome, ClusterStreamItem, FlowRef } from "./call.ts";
import type { Client } from "./client.ts";
import { pausedError } from "./ends.ts";

/** A trace, and what its reader wants of it. */
type Reading = Pick<StreamOptions, "traceId" | "tenant" | "onLeave" | "signal">;

/**
 * A flow that runs on a cluster, with those methods of a `Flow` that its servers call: `A2AServerAdapter` takes it in
 * place of a flow. It runs nothing itself. Made by `client.flow(…)`.
 *
 * A stream of it ends with `TRACE_PAUSED` at the first pause, also while other branches of the trace are at work.
 *
 * States: running → stopped (`stop`) → running (`run`).
 */
export class ClusterFlow<in Input, out Result> {
  readonly name: string;
  /** Whether what it has accepted outlasts its processes: always. */
  readonly isDurable = true;
  readonly #client: Client;
  readonly #flow: FlowRef<Input, Result>;
  readonly #settings: ClusterSettings;
  /** Reads in progress. */
  readonly #reads = new Set<AbortController>();
  #whenRead: () => void = () => {};
  #isRunning = true;

  /** Internal: call `client.flow(…)`. */
  constructor(client: Client, flow: FlowRef<Input, Result>, settings: object) {
    this.#client = client;
    this.#flow = flow;
    this.#settings = settings as ClusterSettings;
    this.name = flow.name;
  }

  /** Whether it accepts messages. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Accepts messages again after `stop`. */
  run(): this {
    this.#isRunning = true;
    return this;
  }

  /**
   * Accepts nothing more, waits for the reads in progress for `drainMs` milliseconds, and ends the rest with
   * `FLOW_STOPPED`. Their traces go on.
   */
  async stop(options: { readonly drainMs?: number } = {}): Promise<void> {
    requireKnownKeys("stop", options, ["drainMs"]);
    const { drainMs = 0 } = options;
    requireNumber("drainMs", drainMs, 0);
    this.#isRunning = false;
    const read = new Promise<void>((resolve) => (this.#whenRead = resolve));
    const end = (): void => {
      for (const reading of this.#reads) reading.abort(this.#stopped());
    };
    if (this.#reads.size === 0) return;
    const cancelTimer = this.#settings.machine.clock.setTimer(end, drainMs);
    await read;
    cancelTimer();
  }

  /** Sends a message and yields the chunks and the results of its trace. @throws FlowError as `client.call`, at the end */
  stream(input: NoInfer<Input>, options: Omit<StreamOptions, "id"> = {}): TraceItems<StreamItem<Result>> {
    const { traceId = this.#settings.machine.newId(16), onLeave, signal, ...rest } = options;
    const place = { traceId, tenant: rest.tenant, signal, ...(onLeave && { onLeave }) };
    return this.#read(place, (reading) =>
      this.#client.stream(this.#flow, input, { ...rest, id: traceId, signal: reading }),
    );
  }

  /** Sends a message and resolves with how its trace ended, or with its pauses. */
  async outcome(input: NoInfer<Input>, options: Omit<EmitOptions, "id"> = {}): Promise<ClusterOutcome<Result>> {
    this.#requireRunning();
    const { traceId = this.#settings.machine.newId(16), signal, ...rest } = options;
    const reading = this.#begin(signal, traceId, rest.tenant);
    try {
      return await this.#client.outcome(this.#flow, input, { ...rest, id: traceId, signal: reading.signal });
    } finally {
      this.#end(reading);
    }
  }

  /** Cancels a trace, see `client.cancel`. */
  async cancel(
    traceId: string,
    { tenant, reason }: { readonly tenant?: string | undefined; readonly reason?: unknown } = {},
  ): Promise<void> {
    const why = reason === undefined || typeof reason === "string" ? reason : errorPayload(reason).message;
    await this.#client.cancel(this.#flow, traceId, { tenant, reason: why });
  }

  /** The pauses of its traces. */
  get pauses() {
    return {
      /** The pauses of a trace that wait for an answer. */
      list: async ({
        tenant,
        traceId,
      }: {
        readonly tenant?: string | undefined;
        readonly traceId: string;
      }): Promise<(PauseTicket & { readonly traceId: string })[]> => [
        ...(await this.#client.pauses(this.#flow, traceId, { tenant })),
      ],
      /** Answers a pause, and yields what its trace does from then on. @throws FlowError as `client.resume` */
      resumeStream: (
        token: string,
        value: unknown,
        { tenant, onLeave }: Pick<StreamOptions, "tenant" | "onLeave"> = {},
      ): TraceItems<StreamItem<Result>> =>
        this.#read({ tenant, ...(onLeave && { onLeave }) }, (signal) =>
          this.#client.resumeStream(this.#flow, token, value, { tenant, signal }),
        ),
    };
  }

  /** The traces that earlier processes have begun. */
  get recovery() {
    return {
      /** Reads a trace, see `client.follow`. @throws FlowError `TRACE_UNKNOWN`, at the end of the iteration */
      follow: async (
        traceId: string,
        { tenant, onLeave }: Pick<StreamOptions, "tenant" | "onLeave"> = {},
      ): Promise<TraceItems<StreamItem<Result>>> =>
        this.#read({ traceId, tenant, ...(onLeave && { onLeave }) }, (signal) =>
          this.#client.follow(this.#flow, traceId, { tenant, signal }),
        ),
    };
  }

  /** Reads a trace until it ends or pauses. */
  #read(
    place: Reading,
    open: (signal: AbortSignal) => TraceItems<ClusterStreamItem<Result>>,
  ): TraceItems<StreamItem<Result>> {
    let source: TraceItems<ClusterStreamItem<Result>> | undefined;
    const items = this.#items(place, (signal) => (source = open(signal)));
    return Object.defineProperty(items, "spent", { get: () => source?.spent ?? {} }) as TraceItems<StreamItem<Result>>;
  }

  async *#items(
    { traceId, tenant, onLeave = "cancel", signal }: Reading,
    open: (signal: AbortSignal) => TraceItems<ClusterStreamItem<Result>>,
  ): AsyncGenerator<StreamItem<Result>, void, undefined> {
    this.#requireRunning();
    const reading = this.#begin(signal, traceId, tenant);
    let isOver = false;
    let id = traceId;
    try {
      for await (const item of open(reading.signal)) {
        yield item;
        if (item.type !== "pause") continue;
        id = item.pause.traceId;
        throw pausedError(id, tenant ?? "default", [item.pause]);
      }
      isOver = true;
    } catch (error) {
      isOver = true;
      throw error;
    } finally {
      this.#end(reading);
      if (!isOver && onLeave === "cancel" && id !== undefined) this.#cancelSoon(id, tenant);
    }
  }

  #begin(signal: AbortSignal | undefined, traceId: string | undefined, tenant: string | undefined): AbortController {
    const reading = new AbortController();
    this.#reads.add(reading);
    const abort = (): void => {
      reading.abort(signal?.reason);
      if (traceId !== undefined) this.#cancelSoon(traceId, tenant);
    };
    if (signal?.aborted === true) abort();
    else signal?.addEventListener("abort", abort, { once: true, signal: reading.signal });
    return reading;
  }

  #end(reading: AbortController): void {
    this.#reads.delete(reading);
    // ends the listening to the caller's signal
    reading.abort();
    if (this.#reads.size === 0) this.#whenRead();
  }

  #cancelSoon(traceId: string, tenant: string | undefined): void {
    this.cancel(traceId, { tenant, reason: "its reader has left" }).catch((error: unknown) =>
      this.#settings.logger.warn("cancel_failed", { flow: this.name, traceId, tenant, error: errorPayload(error) }),
    );
  }

  #requireRunning(): void {
    if (!this.#isRunning) throw this.#stopped();
  }

  #stopped(): FlowError {
    return new FlowError({
      code: FlowErrorCode.FLOW_STOPPED,
      message: `Flow "${this.name}" of cluster "${this.#settings.name}" is no longer served here; its traces go on`,
      retryable: true,
    });
  }
}
