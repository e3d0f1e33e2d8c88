import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import type { NodeOrName, WaitOptions } from "../graph/handler.ts";
import type { Message } from "../message/message.ts";
import { type Attempt, State } from "./attempt.ts";
import type { Trace } from "../trace/trace.ts";
import type { Engine } from "./engine.ts";
import type { Edge } from "./worker.ts";

/** Lets a handler take further messages of its trace that are on their way to its node. */
export class Fetching {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  fetch(
    attempt: Attempt,
    options: WaitOptions & { readonly from?: NodeOrName | readonly NodeOrName[] },
  ): Promise<Message> {
    const more = attempt.more;
    const sources = this.#sources(attempt, options.from);
    const again = more.refetch?.shift();
    if (again !== undefined) {
      (more.fetched ??= []).push(again);
      return Promise.resolve(again);
    }
    if (more.wantsMessage !== undefined) {
      throw new TypeError(`Cannot fetch twice at once at node "${attempt.node}": await the first fetch`);
    }
    const waiting = this.#takeWaiting(attempt, sources);
    if (waiting !== undefined) return Promise.resolve(waiting);
    const { trace } = attempt;
    const engine = this.#engine;
    return attempt.wait<Message>((resolve) => {
      more.wantsFrom = sources;
      more.wantsMessage = (message) => engine.dispatch.reclaimSlot(attempt, () => resolve(message));
      trace.fetching += 1;
      engine.dispatch.lendSlot(attempt);
      engine.ending.checkStarved(trace);
      return () => {
        if (more.wantsMessage === undefined) return;
        more.wantsMessage = undefined;
        trace.fetching -= 1;
        if (attempt.state === State.RUNNING) engine.dispatch.reclaimSlot(attempt, () => {});
      };
    }, options);
  }

  /** Gives a message to a running handler that waits for one. Answers whether one did. */
  give(item: Attempt, edge: Edge): boolean {
    for (
      let member = item.trace.firstMember as Attempt | null;
      member !== null;
      member = member.nextOfTrace as Attempt | null
    ) {
      const extras = member.extras;
      if (member.worker !== item.worker || extras?.wantsMessage === undefined) continue;
      if (extras.wantsFrom !== undefined && !extras.wantsFrom.has(edge.source)) continue;
      const { wantsMessage } = extras;
      extras.wantsMessage = undefined;
      item.trace.fetching -= 1;
      this.#taken(member, item);
      wantsMessage(item.message);
      return true;
    }
    return false;
  }

  /** Rejects the waits of all handlers of a trace to which no message can come any more. */
  starve(trace: Trace): void {
    for (let member = trace.firstMember as Attempt | null; member !== null;) {
      const next: Attempt | null = member.nextOfTrace as Attempt | null;
      if (member.extras?.wantsMessage !== undefined) {
        const error = new FlowError({
          code: FlowErrorCode.FETCH_STARVED,
          message: `Cannot fetch at node "${member.node}": no message of trace "${trace.id}" is on its way to it any more`,
          traceId: trace.id,
          tenant: trace.tenant,
          node: member.node,
          attempt: member.attempt,
        });
        for (const giveUp of [...(member.extras.waits ?? [])]) giveUp(error);
      }
      member = next;
    }
  }

  #takeWaiting(attempt: Attempt, sources: ReadonlySet<string> | undefined): Message | undefined {
    const { worker, trace } = attempt;
    for (const queue of worker.outer === undefined ? [worker.inbox] : [worker.inbox, worker.outer]) {
      const head = queue.peekOf(trace);
      if (head === null || (sources !== undefined && head.edge !== null && !sources.has(head.edge.source))) continue;
      const item = queue.popOf(trace) as Attempt;
      if (item.send !== null) this.#engine.sending.startedWithoutPlace(item.send);
      else if (item.edge !== null) this.#engine.sending.leftEdge(item.edge);
      this.#engine.dispatch.leaveRing(item);
      this.#taken(attempt, item);
      return item.message;
    }
    return undefined;
  }

  #taken(attempt: Attempt, item: Attempt): void {
    item.state = State.OVER;
    (attempt.more.fetched ??= []).push(item.message);
    this.#engine.ledger.fetched(item);
  }

  #sources(attempt: Attempt, from: NodeOrName | readonly NodeOrName[] | undefined): ReadonlySet<string> | undefined {
    if (from === undefined) return undefined;
    const names = ((Array.isArray(from) ? from : [from]) as readonly NodeOrName[]).map((one) =>
      typeof one === "string" ? one : one.name,
    );
    const unknown = names.find((name) => attempt.worker.into.every((edge) => edge.source !== name));
    if (unknown !== undefined)
      throw new TypeError(`Cannot fetch from "${unknown}" at node "${attempt.node}": it has no edge to the node`);
    return new Set(names);
  }
}
