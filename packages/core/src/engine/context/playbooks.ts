import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { mixHigh, mixLow } from "../../foundation/lineage.ts";
import type { Playbook, PlaybookOptions } from "../../graph/handler.ts";
import type { ModelRegistry } from "../../graph/model-registry.ts";
import { Message } from "../../message/message.ts";
import { shrinkBudget } from "../policies/budget.ts";
import type { Origin } from "../state/trace.ts";
import type { Attempt } from "../state/attempt.ts";
import type { Clock } from "../../foundation/clock.ts";
import { sealed } from "../delivery/sealed.ts";
import { type ChildRun, PlaybookSink } from "./playbook-sink.ts";
import type { StoredCalls, StoredCallsHost } from "./stored-calls.ts";

/** Engine parts that {@link Playbooks} calls. */
export interface PlaybooksHost extends StoredCallsHost {
  readonly clock: Clock;
  /** Calls that outlive their handlers. */
  readonly storedCalls: StoredCalls;
  /** Starts a flow with this run's observers, resources and ports. Returns `undefined` if `flow` is no flow. */
  startChild(flow: unknown, registry: ModelRegistry | undefined): ChildRun | undefined;
}

/** Edge index of playbook calls in lineage ids. */
const PLAYBOOK_INDEX = -2;

/** Edge index of playbook calls with a key. */
const KEYED_INDEX = -3;

/**
 * Maximum number of playbooks. A function declared inside a handler is a new playbook at each call and would leak
 * flows.
 */
const MOST_PLAYBOOKS = 100;

/**
 * Flows that a flow's handlers call. Each is built and started once, at its first call, and stopped with the flow.
 * Further calls only open traces.
 *
 * States: open → stopped, which refuses new playbooks.
 */
export class Playbooks {
  readonly #engine: PlaybooksHost;
  readonly #running = new Map<unknown, ChildRun>();
  /** Calls that outlive their handlers, in a durable flow. */
  readonly #stored: StoredCalls | undefined;
  #isStopped = false;

  constructor(engine: PlaybooksHost) {
    this.#engine = engine;
    if (engine.durable !== undefined) this.#stored = engine.storedCalls;
  }

  /** Runs a message of `parent` through another flow. Resolves with its first result. */
  call<Input, Result>(
    parent: Attempt,
    playbook: Playbook<Input, Result>,
    input: unknown,
    { timeoutMs, key }: PlaybookOptions,
  ): Promise<unknown> {
    const child = this.#runOf(playbook);
    const given = input instanceof Message ? sealed(parent.trace, input) : parent.message.with({ payload: input });
    const payload = shrinkBudget(parent.message.payload, given.payload);
    const message = new Message({
      payload,
      headers: parent.trace.headers,
      traceId: parent.traceId,
      createdAt: given.createdAt,
      deadlineAt: this.#deadline(parent, timeoutMs),
      meta: given.meta,
    });
    const origin = this.#originOf(parent, child.options.name, key);
    if (this.#stored !== undefined) {
      this.#engine.durable?.requireFitMessage(message);
      return this.#stored.call(child, origin, message);
    }
    return this.#engine.waits.wait<unknown>(
      parent,
      (resolve, reject) => {
        const sink = new PlaybookSink(this.#engine, origin, {
          ended: (outcome) => {
            if (outcome.status === "completed") {
              resolve(outcome.result);
            } else if (
              outcome.error.code === FlowErrorCode.DEADLINE_EXCEEDED &&
              message.deadlineAt === parent.trace.deadlineAt
            ) {
              // the parent's own deadline has passed: rejecting here would fail the node, and its policy would retry it
              this.#engine.ending.exhaust(parent.trace, FlowErrorCode.DEADLINE_EXCEEDED);
            } else {
              reject(outcome.error);
            }
          },
        });
        const trace = child.open({ message, idNumber: undefined, origin, sink, signal: undefined, isOpenEnded: false });
        const account = parent.trace.extras?.account;
        if (account !== undefined) trace.more.account = account;
        child.enter(trace, message, child.workshop.entries, null);
        return () => {
          if (!trace.isOpen) return;
          const reason = parent.extras?.reason ?? "its parent no longer waits for it";
          this.#engine.ending.alsoAwait(parent.trace, child.ending.cancel(trace, reason));
        };
      },
      { lendsPermit: true },
    );
  }

  /** Removes the stored calls of a message that is done. */
  committed(attempt: Attempt): void {
    this.#stored?.committed(attempt);
  }

  /** Cancels and removes the stored calls that a further attempt must make anew. */
  failed(attempt: Attempt): void {
    this.#stored?.failed(attempt);
  }

  /** Stops every playbook. Resolves with the number of abandoned handlers. */
  async stop(): Promise<number> {
    this.#isStopped = true;
    const engines = [...this.#running.values()];
    this.#running.clear();
    const reports = await Promise.all(engines.map((engine) => engine.close()));
    return reports.reduce((sum, report) => sum + report.abandoned, 0);
  }

  #deadline(parent: Attempt, timeoutMs: number | undefined): number | undefined {
    if (timeoutMs === undefined) return parent.trace.deadlineAt;
    const own = this.#engine.clock.epochNow() + timeoutMs;
    return parent.trace.deadlineAt === undefined ? own : Math.min(own, parent.trace.deadlineAt);
  }

  #originOf(parent: Attempt, flow: string, key: string | undefined): Origin {
    const { trace, high, low, more } = parent;
    const run = trace.origin?.run ?? trace.run;
    const name = flow.slice(this.#engine.options.name.length + 1);
    if (key === undefined) {
      const call = more.playbookCalls++;
      return {
        run,
        high: mixHigh(high, low, PLAYBOOK_INDEX, call),
        low: mixLow(high, low, PLAYBOOK_INDEX, call),
        parent,
        flow,
        name,
      };
    }
    let [keyedHigh, keyedLow] = [mixHigh(high, low, KEYED_INDEX, 0), mixLow(high, low, KEYED_INDEX, 0)];
    for (let index = 0; index < key.length; index += 1) {
      const unit = key.charCodeAt(index);
      [keyedHigh, keyedLow] = [
        mixHigh(keyedHigh, keyedLow, KEYED_INDEX, unit),
        mixLow(keyedHigh, keyedLow, KEYED_INDEX, unit),
      ];
    }
    return { run, high: keyedHigh, low: keyedLow, parent, flow, name };
  }

  #runOf(playbook: Playbook): ChildRun {
    const known = this.#running.get(playbook);
    if (known !== undefined) return known;
    if (this.#isStopped) {
      throw new FlowError({
        code: FlowErrorCode.FLOW_STOPPED,
        message: "Cannot start a playbook: the flow is stopping",
      });
    }
    if (this.#running.size >= MOST_PLAYBOOKS) {
      throw new TypeError(
        `Cannot start another playbook in flow "${this.#engine.options.name}": it runs ${MOST_PLAYBOOKS} already; declare a playbook once, outside of the handler that calls it`,
      );
    }
    const made: unknown = typeof playbook === "function" ? playbook() : playbook;
    const [flow, registry] = Array.isArray(made) ? (made as unknown[]) : [made];
    const engine = this.#engine.startChild(flow, registry as ModelRegistry | undefined);
    if (engine === undefined) {
      throw new TypeError("A playbook must be a flow, or a function that returns a flow or [flow, registry]");
    }
    this.#running.set(playbook, engine);
    return engine;
  }
}
