import type { Waiting, WaitingList } from "../../queue/waiting-list.ts";

/**
 * Admission of a trace, or of a retry, where the flow bounds its traces or the trace is exclusive.
 *
 * States: waiting for its key → waiting for capacity → granted → begun. A restored trace is begun at once.
 */
export class TraceTurn implements Waiting {
  readonly tenant: string;
  /** Key of an exclusive trace. */
  readonly exclusive: string | undefined;
  /** Whether it holds its key. */
  hasKey = false;
  /** Whether it counts as in flight. */
  counts = false;
  /** Whether its messages may start. */
  hasBegun = false;
  /** Callbacks that send its held messages, in order. */
  readonly starts: (() => void)[] = [];
  nextWaiting: this | null = null;
  prevWaiting: this | null = null;
  list: WaitingList<this> | null = null;

  constructor(tenant: string, exclusive: string | undefined) {
    this.tenant = tenant;
    this.exclusive = exclusive;
  }

  /** Begins: sends what was held, unless the trace has ended meanwhile. */
  begin(): void {
    this.hasBegun = true;
    for (const start of this.starts.splice(0)) start();
  }
}
