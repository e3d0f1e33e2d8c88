import { nameOfNode } from "../../foundation/options.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { NodeOrName, WaitOptions } from "../../graph/handler.ts";
import type { Message } from "../../message/message.ts";
import { Attempt } from "../state/attempt.ts";
import type { Trace } from "../state/trace.ts";
import type { Edge } from "../state/worker.ts";
import type { Slots } from "../admission/slots.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { HandlerWaits } from "./handler-waits.ts";
import type { SafeProbe } from "../observe/safe-probe.ts";
import type { Sending } from "../delivery/sending.ts";

/** Engine parts that {@link Fetching} calls. */
export interface FetchingHost {
  readonly probe: SafeProbe | undefined;
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly waits: HandlerWaits;
  readonly sending: Sending;
  readonly ending: { checkStarved(trace: Trace): void };
}

/** Lets a running handler receive further messages of its trace that are bound for its node. */
export class Fetching {
  readonly #engine: FetchingHost;

  constructor(engine: FetchingHost) {
    this.#engine = engine;
  }

  fetch(
    attempt: Attempt,
    options: WaitOptions & { readonly from?: NodeOrName | readonly NodeOrName[] },
  ): Promise<Message> {
    const more = attempt.more;
    const sources = this.#sources(attempt, options.from);
    const index = more.refetch?.findIndex((item) => fits(item, sources)) ?? -1;
    const [again] = index === -1 ? [] : (more.refetch as Attempt[]).splice(index, 1);
    if (again !== undefined) {
      (more.fetched ??= []).push(again);
      this.#engine.probe?.fetched(attempt, again.message);
      return Promise.resolve(again.message);
    }
    if (more.fetch !== undefined) {
      throw new TypeError(`Cannot fetch twice at once at node "${attempt.node}": await the first fetch`);
    }
    const waiting = this.#takeWaiting(attempt, sources);
    if (waiting !== undefined) return Promise.resolve(waiting);
    const { trace } = attempt;
    const engine = this.#engine;
    return engine.waits.wait<Message>(
      attempt,
      (resolve, reject) => {
        more.fetch = { resolve, reject, from: sources };
        trace.beginFetch();
        engine.slots.lend(attempt);
        engine.ending.checkStarved(trace);
        return () => {
          if (more.fetch === undefined) return;
          more.fetch = undefined;
          if (trace.isOpen) trace.endFetch();
        };
      },
      { ...options, lendsPermit: true },
    );
  }

  /** Hands a message to a running handler with a matching `fetch`. Returns whether there was one. */
  give(item: Attempt): boolean {
    for (let member = item.trace.firstMember; member !== null; member = member.nextOfTrace) {
      const wait = member.extras?.fetch;
      if (member.worker !== item.worker || wait === undefined || !fits(item, wait.from)) continue;
      member.more.fetch = undefined;
      item.trace.endFetch();
      this.#taken(member, item);
      wait.resolve(item.message);
      return true;
    }
    return false;
  }

  /** Whether a running handler has a `fetch` that matches `edge`. */
  wants(trace: Trace, edge: Edge): boolean {
    for (let member = trace.firstMember; member !== null; member = member.nextOfTrace) {
      const wait = member.extras?.fetch;
      if (
        member.worker === edge.target &&
        wait !== undefined &&
        (wait.from === undefined || wait.from.has(edge.source))
      )
        return true;
    }
    return false;
  }

  /** Returns messages to the queue that an attempt had fetched and its retry did not. */
  giveBack(attempt: Attempt): void {
    const left = attempt.extras?.refetch;
    if (left === undefined) return;
    attempt.more.refetch = undefined;
    for (const item of left.reverse()) {
      const again = new Attempt(item.worker, item.trace, item.message, null, item.high, item.low, item.attempt);
      again.via = item.via;
      again.more.source = item.source;
      again.round = item.round;
      this.#engine.ledger.givenBack(again);
      this.#engine.slots.enqueueFirst(again);
    }
  }

  /** Rejects every pending `fetch` of a trace to whose handlers no message can arrive. */
  starve(trace: Trace): void {
    for (let member = trace.firstMember; member !== null;) {
      const next: Attempt | null = member.nextOfTrace;
      member.extras?.fetch?.reject(
        new FlowError({
          code: FlowErrorCode.FETCH_STARVED,
          message: `Cannot fetch at node "${member.node}": no message of trace "${trace.id}" is on its way to it any more`,
          traceId: trace.id,
          tenant: trace.tenant,
          node: member.node,
          attempt: member.attempt,
        }),
      );
      member = next;
    }
  }

  #takeWaiting(attempt: Attempt, sources: ReadonlySet<string> | undefined): Message | undefined {
    const { worker, trace } = attempt;
    for (const queue of worker.outer === undefined ? [worker.inbox] : [worker.inbox, worker.outer]) {
      // the trace has a running attempt, so it is not queued itself: every item is an Attempt
      const item = queue.popOf(trace, (candidate) => fits(candidate as Attempt, sources)) as Attempt | null;
      if (item === null) continue;
      return this.#takeOut(attempt, item);
    }
    const item =
      worker.limit === undefined
        ? null
        : this.#engine.slots.takeLimited(trace, worker, (candidate) => fits(candidate, sources));
    return item === null ? undefined : this.#takeOut(attempt, item);
  }

  /** Takes a queued message for a running handler. */
  #takeOut(attempt: Attempt, item: Attempt): Message {
    if (item.send !== null) this.#engine.sending.startedWithoutPlace(item.send);
    else if (item.edge !== null) this.#engine.sending.leftEdge(item.edge);
    else if (item.worker.node.gathering !== undefined) this.#engine.sending.leftJoin(item.worker);
    this.#engine.slots.leaveRing(item);
    this.#taken(attempt, item);
    return item.message;
  }

  #taken(attempt: Attempt, item: Attempt): void {
    item.end();
    attempt.round = Math.max(attempt.round, item.round);
    (attempt.more.fetched ??= []).push(item);
    this.#engine.ledger.fetched(item);
    this.#engine.probe?.fetched(attempt, item.message);
  }

  #sources(attempt: Attempt, from: NodeOrName | readonly NodeOrName[] | undefined): ReadonlySet<string> | undefined {
    if (from === undefined) return undefined;
    const names = ((Array.isArray(from) ? from : [from]) as readonly NodeOrName[]).map((one) =>
      nameOfNode("from", one),
    );
    const unknown = names.find((name) => attempt.worker.into.every((edge) => edge.source !== name));
    if (unknown !== undefined)
      throw new TypeError(`Cannot fetch from "${unknown}" at node "${attempt.node}": it has no edge to the node`);
    return new Set(names);
  }
}

function fits({ source }: Attempt, sources: ReadonlySet<string> | undefined): boolean {
  return sources === undefined || source === undefined || sources.has(source);
}
