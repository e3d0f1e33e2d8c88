import { errorPayload, FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { FlowEvent, NodeEventBase } from "../../events/flow-event.ts";
import type { Context } from "../../graph/handler.ts";
import type { Budget } from "../../message/budget.ts";
import type { RemoteTask } from "../../ports/remote-transport.ts";
import type { Trace } from "../state/trace.ts";
import { type Attempt, outermost } from "../state/attempt.ts";
import { type ContextServices, HandlerContext } from "./handler-context.ts";

type RemoteEvent = Extract<FlowEvent, { readonly skill: string }>;
type DetailsOf<Event> = Event extends RemoteEvent ? Omit<Event, keyof NodeEventBase> : never;

/** Number of used-up remote tasks of each message at each node, by idempotency key. */
const usedUp = new WeakMap<Trace, Map<string, number>>();

/** Engine services for a remote node, beside its `ctx`. Usable after the attempt is over. */
export class RemoteDesk {
  readonly #attempt: Attempt;
  readonly #engine: ContextServices;

  /**
   * Opens the desk of an attempt.
   *
   * @throws TypeError if `ctx` is not that of a running flow's handler
   */
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

  /** Reading of the clock's `now()`. */
  get now(): number {
    return this.#engine.clock.now();
  }

  /** Deadline for an answer in epoch milliseconds: the earlier of the trace's deadline and the node's timeout. */
  get deadlineAt(): number | undefined {
    const { trace, policy } = this.#attempt;
    const { deadlineAt } = trace;
    const { timeoutMs } = policy;
    if (timeoutMs === undefined) return deadlineAt;
    return Math.min(deadlineAt ?? Number.POSITIVE_INFINITY, this.#engine.clock.epochNow() + timeoutMs);
  }

  /** Amounts left of the trace's budget; `undefined` if it has no limits. */
  get budgetLeft(): Budget | undefined {
    const account = outermost(this.#attempt).trace.extras?.account;
    if (account === undefined) return undefined;
    const left = account.left as Budget;
    return Object.keys(left).length === 0 ? undefined : left;
  }

  /** Charges the trace with what its remote task has spent. Amounts that are none are ignored: the agent made them up. */
  charge(spent: Budget): void {
    try {
      this.#engine.budgets.charge(this.#attempt, spent);
    } catch (error) {
      this.warn("remote_spent_ignored", { node: this.#attempt.node, error: errorPayload(error) });
    }
  }

  /** Key of the remote task, the same for every attempt until one has {@link RemoteDesk.useUp used up} its task. */
  get idempotencyKey(): string {
    const key = this.#attempt.idempotencyKey;
    const used = usedUp.get(this.#attempt.trace)?.get(key);
    return used === undefined ? key : `${key}-${used + 1}`;
  }

  /** Marks the task of the current key as over or unwanted. The next attempt starts another. */
  useUp(): void {
    const { trace, idempotencyKey } = this.#attempt;
    const keys = usedUp.get(trace) ?? new Map<string, number>();
    usedUp.set(trace, keys.set(idempotencyKey, (keys.get(idempotencyKey) ?? 0) + 1));
  }

  /** Whether the attempt is repeated although it is over. A durable flow continues it after a stop. */
  goesOnAfter(reason: unknown): boolean {
    const isStop = reason instanceof FlowError && reason.code === FlowErrorCode.FLOW_STOPPED;
    return isStop && this.#engine.durable !== undefined;
  }

  /** Reports an event. Call it only if {@link RemoteDesk.hasListeners}. */
  report(details: DetailsOf<RemoteEvent>): void {
    this.#engine.reporter.node(this.#attempt, details);
  }

  /** Stores the binding between the trace and its remote task. */
  bind({ agentUrl, taskId, contextId }: Omit<RemoteTask, "tenant">): void {
    const { tenant, traceId, node } = this.#attempt;
    this.#engine.reporter.bind({ tenant, traceId, node, agentUrl, taskId, contextId });
  }

  /** Schedules a callback that also runs after the flow has stopped. Returns a function that cancels it. */
  after(delayMs: number, callback: () => void): () => void {
    return this.#engine.clock.setTimer(callback, delayMs);
  }

  warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#engine.options.logger.warn(message, fields);
  }

  /** Ends the trace as exhausted if its deadline has passed, so that no node counts as failed. */
  exhaust(): void {
    const { trace } = this.#attempt;
    const { deadlineAt } = trace;
    if (deadlineAt === undefined || this.#engine.clock.epochNow() < deadlineAt) return;
    this.#engine.ending.exhaust(trace, FlowErrorCode.DEADLINE_EXCEEDED);
    this.#engine.agenda.flush();
  }
}
