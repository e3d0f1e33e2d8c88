import { nameOfNode } from "../../foundation/options.ts";
import { fnv1a } from "../../foundation/fnv.ts";
import { detached } from "../../foundation/detached.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { ROOKERY } from "../../graph/endpoints.ts";
import type { NodeOrName } from "../../graph/handler.ts";
import { WM } from "../../message/controller.ts";
import { carry, Message } from "../../message/message.ts";
import type { Trace } from "../state/trace.ts";
import { type Attempt, type HeldEmit, State } from "../state/attempt.ts";
import { sealed } from "../delivery/sealed.ts";
import { queueFull, type Sending } from "../delivery/sending.ts";
import type { Edge, Worker } from "../state/worker.ts";
import type { Slots } from "../admission/slots.ts";
import type { Ledger } from "../observe/ledger.ts";
import { type Budgets, nextHop } from "./budgets.ts";
import type { HandlerWaits } from "./handler-waits.ts";
import type { Failing } from "../termination/failing.ts";
import type { Ending } from "../termination/ending.ts";

/** Engine parts that {@link Emitting} calls. */
interface EmittingHost {
  readonly options: { readonly limits: { readonly maxHeldEmits: number } };
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly waits: HandlerWaits;
  readonly budgets: Budgets;
  readonly sending: Sending;
  readonly failing: Failing;
  readonly ending: Ending;
}

/** Targets of an emitted message. */
export type Target = NodeOrName | readonly NodeOrName[] | undefined;

const ACCEPTED = Promise.resolve();

/** Sends the messages that handlers emit while they run. */
export class Emitting {
  readonly #engine: EmittingHost;

  constructor(engine: EmittingHost) {
    this.#engine = engine;
  }

  emit(attempt: Attempt, value: unknown, to: Target): Promise<void> {
    const checked = this.#checked(attempt, value);
    // a synchronous check sends at once: deferring it would reorder emits that the handler does not await
    return checked instanceof Promise
      ? detached(checked.then((parsed) => this.#emitChecked(attempt, parsed, to)))
      : this.#emitChecked(attempt, checked, to);
  }

  #emitChecked(attempt: Attempt, value: unknown, to: Target): Promise<void> {
    if (attempt.state !== State.RUNNING) throw attempt.extras?.reason as Error;
    const step = this.#step(attempt, value, to);
    return step === undefined ? ACCEPTED : this.sendOrHold(attempt, step);
  }

  emitNowait(attempt: Attempt, value: unknown, to: Target): void {
    const { worker, trace } = attempt;
    const checked = this.#checked(attempt, value);
    if (checked instanceof Promise) {
      checked.catch(() => {});
      throw new TypeError(
        `Cannot emit from "${worker.name}" without waiting: its output schema is asynchronous; use emit`,
      );
    }
    const step = this.#step(attempt, checked, to);
    if (step === undefined) return;
    if (!attempt.mayRetry && !this.#engine.sending.hasRoom(trace, attempt, step.edges)) {
      if (step.draws === true) attempt.returnLastDraw();
      throw queueFull(worker.name, trace.id, trace.tenant, step.edges);
    }
    void this.sendOrHold(attempt, step);
  }

  /** Returns the edges for a node's message; none for the Rookery. */
  route(worker: Worker, message: Message, to: Target, trace: Trace): readonly Edge[] {
    if (to === undefined) {
      if (worker.loop !== undefined && message.payload instanceof WM) return [worker.loop];
      return worker.onward;
    }
    // most messages go to one node, by its name
    const only = typeof to === "string" ? worker.edgeTo.get(to) : undefined;
    if (only !== undefined) return [only];
    const named = (Array.isArray(to) ? to : [to]) as readonly NodeOrName[];
    const names = named.map((target) => nameOfNode("to", target));
    if (names.length === 1 && names[0] === ROOKERY) return [];
    const edges = names.map((name) => worker.edgeTo.get(name));
    const unknown = names.find((_, index) => edges[index] === undefined);
    if (unknown === undefined) return inDeclaredOrder(edges as Edge[]);
    throw new FlowError({
      code: FlowErrorCode.ROUTE_UNKNOWN,
      message: `Cannot deliver to "${unknown}": node "${worker.name}" has no edge to it; it has edges to ${[...worker.edgeTo.keys()].map((name) => `"${name}"`).join(", ") || "none"}`,
      traceId: trace.id,
      tenant: trace.tenant,
      node: worker.name,
    });
  }

  /** Sends the emits held back until the attempt's success. */
  release(attempt: Attempt): void {
    const held = attempt.extras?.held;
    if (held === undefined) return;
    (attempt.extras as { held: undefined }).held = undefined;
    for (const { message, edges, wish, exhausted } of held) {
      if (exhausted === undefined) {
        this.#engine.sending.send(attempt.trace, attempt, message, edges, null);
        this.#requireSame(attempt, wish);
      } else {
        this.#engine.ledger.commitWaits(attempt);
        attempt.commitDraws();
        this.#engine.ending.exhaust(attempt.trace, exhausted, attempt);
      }
      // an earlier send may have exhausted a budget or failed a join: the rest must not enter an ended trace
      if (!attempt.trace.isOpen) return;
    }
  }

  /** Validates an emitted value as a returned one. Its error has the context of the attempt. */
  #checked(attempt: Attempt, value: unknown): unknown {
    const { checkEmitted } = attempt.worker;
    if (checkEmitted === undefined) return value;
    const explain = (error: unknown): never => {
      throw this.#engine.failing.explain(attempt, error);
    };
    try {
      const checked = checkEmitted(value);
      return checked instanceof Promise ? checked.catch(explain) : checked;
    } catch (error) {
      return explain(error);
    }
  }

  /**
   * Resolves the message and edges of an emit. In a loop it counts a hop and ends the trace if a budget is exhausted.
   */
  #step(attempt: Attempt, value: unknown, to: Target): HeldEmit | undefined {
    const { worker, trace } = attempt;
    const message = value instanceof Message ? sealed(trace, value) : carry(attempt.message, value);
    if (Array.isArray(to) && to.length === 0) return undefined;
    const edges = this.route(worker, message, to, trace);
    const wish = wishOf(to);
    if (worker.loop === undefined || !(message.payload instanceof WM) || !edges.includes(worker.loop))
      return { message, edges, wish };
    const step = nextHop(attempt, message.payload, this.#engine);
    if (step instanceof WM) {
      const draws = trace.extras?.account !== undefined;
      return { message: step === message.payload ? message : carry(message, step), edges, wish, draws };
    }
    // the budget of a node with retries is exhausted only on success: ending the trace now would skip its retry
    if (attempt.mayRetry) return { message, edges, wish, exhausted: step };
    attempt.commitDraws();
    this.#engine.ending.exhaust(trace, step);
    throw attempt.extras?.reason as Error;
  }

  /** Sends a message. A node with retries holds it back until its attempt succeeds. */
  sendOrHold(attempt: Attempt, emit: HeldEmit): Promise<void> {
    const { worker, trace } = attempt;
    const engine = this.#engine;
    if (attempt.mayRetry) {
      const held = (attempt.more.held ??= []);
      if (held.length >= engine.options.limits.maxHeldEmits) {
        throw new FlowError({
          code: FlowErrorCode.HELD_LIMIT,
          message: `Cannot emit from "${worker.name}": it has retries and already holds ${held.length} messages back until its attempt succeeds; raise limits.maxHeldEmits or emit from a node without retries`,
          traceId: trace.id,
          tenant: trace.tenant,
          node: worker.name,
        });
      }
      held.push(emit);
      return ACCEPTED;
    }
    let accept: (() => void) | undefined;
    const isAccepted = engine.sending.send(trace, attempt, emit.message, emit.edges, (failure) => {
      if (failure === undefined) accept?.();
    });
    if (!this.#requireSame(attempt, emit.wish)) throw attempt.extras?.reason as Error;
    if (isAccepted) return ACCEPTED;
    return engine.waits.wait<undefined>(
      attempt,
      (resolve) => {
        accept = () => resolve(undefined);
        return undefined;
      },
      { outlivesHandler: true, lendsPermit: true },
    );
  }

  /**
   * Adds an emit to the hash of targets. Once as many were emitted as an earlier call had sent, both hashes must match.
   * If they differ, fails the trace: other messages would count as already sent. Returns whether they match.
   */
  #requireSame(attempt: Attempt, wish: number): boolean {
    attempt.sentTo = (Math.imul(attempt.sentTo ^ wish, 0x01000193) + 1) | 0;
    const { extras, trace } = attempt;
    if (extras === null || extras.alreadySent !== attempt.outputs || !trace.isOpen) return true;
    if (extras.alreadySentTo === undefined || extras.alreadySentTo === attempt.sentTo) return true;
    const message = `Node "${attempt.node}" emits to other targets than before it was called again: the ${extras.alreadySent} messages that were sent then cannot be told from those it sends now; emit in the same order, or decide it in ctx.once`;
    const { failing, ending } = this.#engine;
    const { id: traceId, tenant } = trace;
    const error = new FlowError({ code: FlowErrorCode.GRAPH_CHANGED, message, traceId, tenant, node: attempt.node });
    ending.fail(trace, failing.explain(attempt, error), attempt);
    return false;
  }
}

/** Hashes the targets of an emit, independently of their order. */
export function wishOf(to: Target): number {
  if (to === undefined) return 1;
  let sum = 0;
  for (const target of (Array.isArray(to) ? to : [to]) as readonly NodeOrName[]) {
    const name = typeof target === "string" ? target : target.name;
    sum = (sum + fnv1a(name)) | 0;
  }
  return sum;
}

function inDeclaredOrder(edges: Edge[]): Edge[] {
  return [...new Set(edges)].sort((a, b) => a.index - b.index);
}
