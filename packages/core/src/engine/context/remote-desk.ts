import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { FlowEvent } from "../../events/flow-event.ts";
import type { Context } from "../../graph/handler.ts";
import type { RemoteTask } from "../../ports/remote-transport.ts";
import type { Trace } from "../state/trace.ts";
import type { Attempt } from "../state/attempt.ts";
import { type ContextServices, HandlerContext } from "./handler-context.ts";

type RemoteEvent = Extract<FlowEvent, { readonly skill: string }>;
type DetailsOf<Event> = Event extends RemoteEvent
  ? Omit<Event, "at" | "flow" | "traceId" | "tenant" | "node" | "attempt" | "queueDepth" | "inflight">
  : never;

/** How many tasks each message of a trace has used up at each node, by idempotency key. */
const usedUp = new WeakMap<Trace, Map<string, number>>();

/** What a remote node needs of the engine beside its `ctx`. Usable after the attempt is over, too. */
export class RemoteDesk {
  readonly #attempt: Attempt;
  readonly #engine: ContextServices;

  /** @throws TypeError when `ctx` is not that of a running flow's handler */
  constructor(ctx: Pick<Context<never>, "node">) {
    const behind = HandlerContext.behind(ctx);
    if (behind === undefined)
      throw new TypeError(`Remote node "${ctx.node}" must be called by a running flow, with the ctx of its attempt`);
    this.#attempt = behind.attempt;
    this.#engine = behind.services;
  }

  get hasListeners(): boolean {
    return this.#engine.reporter.hasListeners;
  }

  /** The clock's `now()`. */
  get now(): number {
    return this.#engine.clock.now();
  }

  /** Epoch milliseconds at which nobody waits for an answer any more: by the trace's deadline and the node's timeout. */
  get deadlineAt(): number | undefined {
    const { trace, worker } = this.#attempt;
    const { deadlineAt } = trace;
    const { timeoutMs } = worker.node.policy;
    if (timeoutMs === undefined) return deadlineAt;
    return Math.min(deadlineAt ?? Number.POSITIVE_INFINITY, this.#engine.clock.epochNow() + timeoutMs);
  }

  /** The same for every attempt until one has {@link RemoteDesk.useUp used up} its task. */
  get idempotencyKey(): string {
    const key = this.#attempt.idempotencyKey;
    const used = usedUp.get(this.#attempt.trace)?.get(key);
    return used === undefined ? key : `${key}-${used + 1}`;
  }

  /** The task that was begun under the key is over, or no longer wanted: the next attempt needs another. */
  useUp(): void {
    const { trace, idempotencyKey } = this.#attempt;
    const keys = usedUp.get(trace) ?? new Map<string, number>();
    usedUp.set(trace, keys.set(idempotencyKey, (keys.get(idempotencyKey) ?? 0) + 1));
  }

  /** Whether the attempt is made again, though it is over: a durable flow goes on where it was stopped. */
  goesOnAfter(reason: unknown): boolean {
    const isStop = reason instanceof FlowError && reason.code === FlowErrorCode.FLOW_STOPPED;
    return isStop && this.#engine.durable !== undefined;
  }

  /** Call it only when {@link RemoteDesk.hasListeners}. */
  report(details: DetailsOf<RemoteEvent>): void {
    this.#engine.reporter.node(this.#attempt, details);
  }

  /** Has the state store keep which task works for the trace. */
  bind({ agentUrl, taskId, contextId }: Omit<RemoteTask, "tenant">): void {
    const { tenant, traceId, node } = this.#attempt;
    this.#engine.reporter.bind({ tenant, traceId, node, agentUrl, taskId, contextId });
  }

  /** Calls back after a while, also when the flow has stopped meanwhile; returns how to take it back. */
  after(delayMs: number, callback: () => void): () => void {
    return this.#engine.clock.setTimer(callback, delayMs);
  }

  warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#engine.options.logger.warn(message, fields);
  }

  /** Ends the trace as exhausted if its deadline has passed: no node of it has failed then. */
  exhaust(): void {
    const { trace } = this.#attempt;
    const { deadlineAt } = trace;
    if (deadlineAt === undefined || this.#engine.clock.epochNow() < deadlineAt) return;
    this.#engine.ending.exhaust(trace, FlowErrorCode.DEADLINE_EXCEEDED);
    this.#engine.agenda.flush();
  }
}
