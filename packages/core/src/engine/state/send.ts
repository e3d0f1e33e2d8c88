import type { Message } from "../../message/message.ts";
import type { Waiting, WaitingList } from "../../queue/waiting-list.ts";
import type { Trace } from "./trace.ts";
import type { Attempt } from "./attempt.ts";
import type { Edge } from "./worker.ts";

/**
 * One message on its way to all the edges it goes to, or to the Rookery when there are none. It is
 * accepted by all of them at once: places are reserved edge by edge, in declared order, and only when
 * all are had is anything sent.
 *
 * States: new → accepted, or new → waiting for room → accepted | abandoned with its trace.
 */
export class Send implements Waiting {
  readonly trace: Trace;
  /** The attempt that sends; `null` for messages from outside. */
  readonly from: Attempt | null;
  readonly message: Message;
  readonly edges: readonly Edge[];
  /** Which output of its sender this is; part of the lineage id. */
  readonly output: number;
  /** How many of `edges` have a place for it. */
  places = 0;
  /** The message at the one node it goes to, which may start it before the edge has room. */
  item: Attempt | null = null;
  /** Called when it was accepted, or with the reason why it never will be. */
  settle: ((failure: Error | undefined) => void) | null;
  nextWaiting: this | null = null;
  prevWaiting: this | null = null;
  list: WaitingList<this> | null = null;

  constructor(
    trace: Trace,
    from: Attempt | null,
    message: Message,
    edges: readonly Edge[],
    output: number,
    settle: ((failure: Error | undefined) => void) | null,
  ) {
    this.trace = trace;
    this.from = from;
    this.message = message;
    this.edges = edges;
    this.output = output;
    this.settle = settle;
  }

  get tenant(): string {
    return this.trace.tenant;
  }

  /** The edge whose room it waits for. */
  get awaited(): Edge | undefined {
    return this.edges[this.places];
  }
}
