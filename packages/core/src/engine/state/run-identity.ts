/** Numbers of one run of a flow from which ids of its traces and messages are made. */
export class RunIdentity {
  /** Distinguishes the idempotency keys of this run from those of others. */
  id: string;
  /** The start of every lineage id. */
  lineageSeed: number;
  /** The number of the next trace. Playbooks share it with their parent, so that records tell their traces apart. */
  readonly traces: { next: number };

  constructor(id: string, lineageSeed: number, traces: { next: number } = { next: 0 }) {
    this.id = id;
    this.lineageSeed = lineageSeed;
    this.traces = traces;
  }
}
