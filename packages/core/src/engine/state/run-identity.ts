/** Seeds and counters that identify the traces and messages of one run. */
export class RunIdentity {
  /** Prefix that separates the idempotency keys of this run from those of other runs. */
  id: string;
  /** Seed of every lineage id. */
  lineageSeed: number;
  /** Counter of traces, shared between playbooks and their parent so that records can tell their traces apart. */
  readonly traces: { next: number };

  constructor(id: string, lineageSeed: number, traces: { next: number } = { next: 0 }) {
    this.id = id;
    this.lineageSeed = lineageSeed;
    this.traces = traces;
  }
}
