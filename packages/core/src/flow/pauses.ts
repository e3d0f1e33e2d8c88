import { requireBoolean, requireKnownKeys, requireTenant, shown } from "../foundation/options.ts";
import { DEFAULT_HEADERS } from "../message/message.ts";
import type { OpenPause, Outcome } from "../message/outcome.ts";
import type { LoggedItem, StreamItem } from "../engine/results/stream-sink.ts";
import type { TraceItems } from "../engine/results/trace-reader.ts";
import type { StreamOptions, TraceOptions, WithLog } from "./call-options.ts";
import { readTrace } from "./read-trace.ts";
import { loadingPause, type Running, toldWhenStored } from "./running.ts";

/** Selects pauses of a flow. */
export interface PauseFilter extends TraceOptions {
  /** Whether to list the pauses of every tenant. @defaultValue false */
  readonly allTenants?: boolean | undefined;
  /** Trace whose pauses are listed. @defaultValue all */
  readonly traceId?: string | undefined;
}

/** The pauses of a flow's traces: lists and answers them. */
export class FlowPauses<out Result> {
  readonly #running: Running;

  /** Internal: use `flow.pauses`. */
  constructor(running: object) {
    this.#running = running as Running;
  }

  /**
   * The pauses that wait for an answer: of a tenant's traces, or of one of them.
   *
   * @param options - `allTenants` lists those of every tenant: for tools of the operator, never for a tenant's request
   */
  async list(options: PauseFilter = {}): Promise<OpenPause[]> {
    requireKnownKeys("pauses.list", options, ["tenant", "allTenants", "traceId"]);
    requireTenant(options.tenant);
    const { allTenants = false, traceId } = options;
    requireBoolean("allTenants", allTenants);
    if (allTenants && options.tenant !== undefined)
      throw new TypeError(
        `Options "tenant" and "allTenants" of pauses.list exclude each other: got tenant ${shown(options.tenant)}`,
      );
    const tenant = allTenants ? undefined : (options.tenant ?? DEFAULT_HEADERS.tenant);
    const engine = await this.#running.ready();
    const { durable, pausing } = engine;
    if (durable === undefined) return pausing.pauses.open(tenant, traceId);
    const tickets = await durable.openPauses(tenant, traceId);
    // an answer may come days later: a token that is handed out must last as long
    await durable.stored();
    return tickets;
  }

  /**
   * Answers a pause: its handler is called again and is given `value`. Resolves with how the trace goes on: with its
   * end, or `paused` when it waits for further answers. Works once for each token, in any process that runs the flow.
   *
   * @param options - `tenant` must be the trace's; @defaultValue `"default"`
   * @throws FlowError `PAUSE_UNKNOWN`, `PAUSE_USED`, `PAUSE_EXPIRED`, `PAUSE_FOREIGN`; `RESUME_INVALID` when the value
   * does not fit the pause's schema: the pause stays open then
   */
  resume(token: string, value: unknown, options: TraceOptions = {}): Promise<Outcome<Result>> {
    return new Promise((resolve, reject) => {
      requireKnownKeys("pauses.resume", options, ["tenant"]);
      requireTenant(options.tenant);
      this.#running.whenReady(reject, (engine) => {
        const told = toldWhenStored(engine, resolve as (outcome: Outcome) => void);
        const answer = (): void =>
          engine.pausing.pauses.resume(token, value, options.tenant ?? DEFAULT_HEADERS.tenant, told, reject);
        const loaded = loadingPause(engine, token);
        if (loaded === undefined) answer();
        else loaded.then(answer).catch(reject);
      });
    });
  }

  /**
   * Answers a pause as `resume` does, and resolves once the answer is accepted, in a durable flow when it is stored. Its
   * `outcome` is the promise that `resume` returns.
   *
   * @throws FlowError what `resume` throws, but for `RESUME_INVALID`, with which `outcome` rejects
   */
  async answer(
    token: string,
    value: unknown,
    options: TraceOptions = {},
  ): Promise<{ readonly outcome: Promise<Outcome<Result>> }> {
    requireKnownKeys("pauses.answer", options, ["tenant"]);
    const engine = await this.#running.ready();
    await loadingPause(engine, token);
    const { promise, resolve, reject } = Promise.withResolvers<Outcome<Result>>();
    const told = toldWhenStored(engine, resolve as (outcome: Outcome) => void);
    engine.durable?.beCareful();
    engine.pausing.pauses.resume(token, value, options.tenant ?? DEFAULT_HEADERS.tenant, told, reject);
    // the caller may not want it, and a background promise must not end the process
    promise.catch(() => {});
    await engine.durable?.stored();
    return { outcome: promise };
  }

  /**
   * Answers a pause as `resume` does, and yields the chunks and results of the trace from the answer on. A trace that was begun by `emit` cannot be read so: its results are fetched.
   *
   * @throws FlowError what `resume` throws; at the end of the iteration when the trace did not complete
   */
  resumeStream(
    token: string,
    value: unknown,
    options: TraceOptions & Pick<StreamOptions, "onLeave"> & WithLog,
  ): TraceItems<StreamItem<Result> | LoggedItem>;
  /** Answers a pause as `resume` does, and yields the chunks and results of the trace from the answer on. */
  resumeStream(
    token: string,
    value: unknown,
    options?: TraceOptions & Pick<StreamOptions, "onLeave">,
  ): TraceItems<StreamItem<Result>>;
  resumeStream(
    token: string,
    value: unknown,
    options: TraceOptions & Pick<StreamOptions, "onLeave"> & Partial<WithLog> = {},
  ): TraceItems<StreamItem<Result> | LoggedItem> {
    requireKnownKeys("pauses.resumeStream", options, ["tenant", "onLeave", "log"]);
    requireTenant(options.tenant);
    const { onLeave = "cancel", tenant = DEFAULT_HEADERS.tenant, log } = options;
    return readTrace<StreamItem<Result> | LoggedItem>(
      this.#running,
      onLeave,
      (engine, sink) => engine.pausing.following.resumeInto(token, value, tenant, sink),
      {
        load: (engine) => loadingPause(engine, token),
        log,
      },
    );
  }
}
