import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { requireKnownKeys, requireText, requireTenant } from "../foundation/options.ts";
import { DEFAULT_HEADERS } from "../message/message.ts";
import type { UnfinishedTrace } from "../engine/durability.ts";
import type { StreamItem } from "../engine/results/stream-sink.ts";
import type { TraceItems } from "../engine/results/trace-reader.ts";
import type { StreamOptions, TraceOptions } from "./call-options.ts";
import { readTrace } from "./read-trace.ts";
import { holdsTrace, loading, type Running } from "./running.ts";

/** The traces that a durable flow has kept: lists, retries, discards and follows them. */
export class FlowRecovery<out Result> {
  readonly #running: Running;

  /** Internal: use `flow.recovery`. */
  constructor(running: object) {
    this.#running = running as Running;
  }

  /** The traces that a durable flow has not finished, and those that failed and can be tried again. */
  async unfinished(): Promise<UnfinishedTrace[]> {
    return (await (await this.#running.ready()).durable?.unfinished()) ?? [];
  }

  /** Whether a trace is in flight, failed and kept, parked, or has an outcome that its outbox has not taken. */
  async has(traceId: string, options: TraceOptions = {}): Promise<boolean> {
    requireText("traceId", traceId);
    requireKnownKeys("recovery.has", options, ["tenant"]);
    requireTenant(options.tenant);
    const { tenant = DEFAULT_HEADERS.tenant } = options;
    const engine = await this.#running.ready();
    await loading(engine, traceId, tenant);
    return holdsTrace(engine, { traceId, tenant });
  }

  /**
   * Tries a failed trace of a durable flow again, from the node at which it failed; its result is fetched by its id.
   * Effects of `ctx.once` that succeeded are not repeated. Resolves when that is stored.
   *
   * @throws FlowError `TRACE_UNKNOWN` when no failed trace of that id is kept, `GRAPH_CHANGED` when it does not fit
   */
  async retryFailed(traceId: string, options: TraceOptions = {}): Promise<void> {
    requireText("traceId", traceId);
    requireKnownKeys("recovery.retryFailed", options, ["tenant"]);
    requireTenant(options.tenant);
    const { durable } = await this.#running.ready();
    const tenant = options.tenant ?? DEFAULT_HEADERS.tenant;
    if ((await durable?.retryFailed(traceId, tenant)) === true) return;
    throw new FlowError({
      code: FlowErrorCode.TRACE_UNKNOWN,
      message: `No failed trace "${traceId}" of tenant "${tenant}" is kept in flow "${this.#running.options.name}"`,
      traceId,
      tenant,
    });
  }

  /**
   * Gives up a trace of a durable flow that has failed, or that is parked since it does not fit the flow any more, and
   * the kept outcome of an `id`, which may be used again then.
   * Resolves with the number of such traces, when the checkpoint store has nothing of them any more.
   */
  async discard(traceId: string, options: TraceOptions = {}): Promise<number> {
    requireText("traceId", traceId);
    requireKnownKeys("recovery.discard", options, ["tenant"]);
    requireTenant(options.tenant);
    const { durable, keptOutcomes } = await this.#running.ready();
    const { tenant = DEFAULT_HEADERS.tenant } = options;
    if (durable !== undefined) return await durable.discard(traceId, tenant);
    return keptOutcomes.discard({ tenant, traceId }) ? 1 : 0;
  }

  /**
   * Reads a trace whose caller has gone: with an earlier process of a durable flow, or when it was told that the trace
   * has paused. What it resolves with yields the results that are there, then, from its first `next` on, chunks and
   * results as they come, as `stream` does. What is left of a trace that has ended is yielded once. The end of the
   * iteration throws the trace's error when it did not complete, `TRACE_PAUSED` while it waits for an answer.
   *
   * @throws FlowError `TRACE_UNKNOWN` when no such trace is under way or has left anything; TypeError when its results
   * go to another reader, or are to be fetched
   */
  async follow(
    traceId: string,
    options: TraceOptions & Pick<StreamOptions, "onLeave"> = {},
  ): Promise<TraceItems<StreamItem<Result>>> {
    requireText("traceId", traceId);
    requireKnownKeys("recovery.follow", options, ["tenant", "onLeave"]);
    requireTenant(options.tenant);
    const { onLeave = "cancel", tenant = DEFAULT_HEADERS.tenant } = options;
    const engine = await this.#running.ready();
    await loading(engine, traceId, tenant);
    if (!engine.pausing.following.canFollow(traceId, tenant)) throw this.#running.unknownTrace(traceId, tenant);
    return readTrace<StreamItem<Result>>(
      this.#running,
      onLeave,
      ({ pausing }, sink) => pausing.following.follow(traceId, tenant, sink),
      {
        load: (running) => loading(running, traceId, tenant),
      },
    );
  }
}
