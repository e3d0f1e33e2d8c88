import type { Checkpoint } from "../../ports/checkpoint-store.ts";
import type { RunKey } from "../../engine/durability.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import type { LogItems } from "../../engine/state/trace-log.ts";
import type { Trace } from "../../engine/state/trace.ts";
import type { BatchWriter } from "../store/batch-writer.ts";
import { fromPlain, toPlain } from "../form/codec.ts";
import { markOf } from "../store/mark.ts";
import type { PartitionLease } from "../store/partition-lease.ts";
import { entryOf } from "../form/trace-entry.ts";

/** Parts of a durable run that {@link KeptLogs} calls. */
export interface KeptLogsHost {
  readonly engine: DurableHost;
  readonly lease: PartitionLease;
  readonly writer: BatchWriter;
}

/** Stored logs of traces: the items in their stored form, and the entries that keep them after the end of their trace. */
export class KeptLogs {
  readonly #run: KeptLogsHost;
  /** Ended traces whose logs are kept, oldest first. */
  readonly #ended = new Map<number, Checkpoint>();
  /** Ended traces with a log that are kept for their unread results. */
  readonly #unread = new Map<number, Checkpoint>();

  constructor(run: KeptLogsHost) {
    this.#run = run;
  }

  /** Entries of ended traces that have a log. */
  get entries(): Checkpoint[] {
    return [...this.#ended.values(), ...this.#unread.values()];
  }

  /** Converts fit items of a trace's log to their stored form. */
  textOf(items: readonly unknown[]): string {
    return JSON.stringify(toPlain(items));
  }

  /** Reads the stored items of a trace's log. */
  async read(of: RunKey): Promise<readonly LogItems[]> {
    const { lease, writer } = this.#run;
    const what = `read the log of trace "${of.traceId}"`;
    const rows = await writer.readWhileOpen(lease.partition.readLog(of.run), what, of);
    return rows.map(({ at, items }) => ({ at, items: fromPlain(JSON.parse(items)) as unknown[] }));
  }

  /** Notes the entry of an ended trace with a log that is kept for its unread results. */
  unread(entry: Checkpoint): void {
    this.#unread.set(entry.run, entry);
  }

  /** Returns the entry to which the log of an ended trace belongs, while the log is kept or still being read. */
  entryOf(trace: Trace): Checkpoint | undefined {
    this.#unread.delete(trace.run);
    const mark = markOf(trace);
    const log = trace.lasting?.log;
    if (log === undefined || log.length === 0 || mark.failed !== undefined) return undefined;
    const entry = entryOf(trace, { log: log.length }, "ended");
    if (!mark.hasEnded) this.#keep(entry);
    mark.hasEnded = true;
    return this.#ended.has(trace.run) || log.reading !== undefined ? entry : undefined;
  }

  /** Keeps the log of a trace that has ended in an earlier run. */
  restore(entry: Checkpoint): void {
    if (this.#run.engine.options.limits.maxKeptLogs > 0) this.#keep(entry);
    else this.#run.writer.pending.remove([entry.run]);
  }

  /** Keeps the log of an ended trace, evicting the oldest when there are too many. */
  #keep(entry: Checkpoint): void {
    const { maxKeptLogs } = this.#run.engine.options.limits;
    if (maxKeptLogs > 0) this.#ended.set(entry.run, entry);
    if (this.#ended.size <= maxKeptLogs) return;
    const [oldest] = this.#ended.keys();
    this.#ended.delete(oldest as number);
    this.#run.writer.pending.remove([oldest as number]);
  }
}
