import { describeThrown, FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { requireInteger, shown } from "../../foundation/options.ts";
import type { Logger } from "../../events/logger.ts";
import type { TraceLog as ContextLog } from "../../graph/handler.ts";
import type { ClosedTrace, OutcomeLog } from "../../message/outcome.ts";
import type { DurableRun } from "../durability.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Attempt } from "../state/attempt.ts";
import { Lasting, type Trace } from "../state/trace.ts";
import { TraceLog } from "../state/trace-log.ts";
import type { TraceTable } from "../state/trace-table.ts";
import type { HandlerWaits } from "./handler-waits.ts";
import { whileRunning } from "./while-running.ts";

/** Engine parts that {@link Logs} calls. */
export interface LogsHost {
  readonly options: {
    readonly name: string;
    readonly logger: Logger;
    readonly limits: { readonly maxLogItems: number; readonly maxKeptLogs: number };
    readonly closeLog: ((end: ClosedTrace) => readonly unknown[]) | undefined;
  };
  readonly durable: DurableRun | undefined;
  readonly ledger: Ledger;
  readonly traces: TraceTable;
  readonly waits: HandlerWaits;
}

/** Path of a trace's own log. */
const OWN: readonly string[] = Object.freeze([]);

/** Log of a trace that has ended. */
interface KeptLog {
  readonly traceId: string;
  readonly tenant: string;
  readonly log: TraceLog;
}

/** Appends to the logs of traces and reads them. Keeps those of ended traces, up to a bound, unless they are stored. */
export class Logs {
  readonly #engine: LogsHost;
  /** Logs of ended traces, oldest first. */
  readonly #kept: KeptLog[] = [];

  constructor(engine: LogsHost) {
    this.#engine = engine;
  }

  /** Returns the log of a trace as one of its attempts uses it. */
  of(attempt: Attempt): ContextLog {
    return new AttemptLog(this, attempt);
  }

  /** Appends items to the trace's log; returns the position after them. They are undone unless the attempt commits. */
  append(attempt: Attempt, items: readonly unknown[]): number {
    if (!Array.isArray(items)) throw new TypeError(`The items of a log must be an array: got ${shown(items)}`);
    const { durable, options } = this.#engine;
    const { trace, node } = attempt;
    const log = ((trace.lasting ??= new Lasting()).log ??= new TraceLog(0));
    if (items.length === 0) return log.end;
    const { maxLogItems } = options.limits;
    if (log.end + items.length > maxLogItems)
      throw new FlowError({
        code: FlowErrorCode.LOG_LIMIT,
        message: `Cannot append ${items.length} items at node "${node}": the log of the trace has ${log.end} of at most ${maxLogItems}; raise limits.maxLogItems`,
        traceId: trace.id,
        tenant: trace.tenant,
        node,
        attempt: attempt.attempt,
      });
    durable?.requireFit(items, "items", node);
    // without extras the attempt would take the fast path, which commits no items
    void attempt.more;
    // the log of a playbook is stored with its trace, not in rows
    const text = trace.origin === null ? durable?.textOf(items) : undefined;
    return log.add(attempt, [...(items as readonly unknown[])], text);
  }

  /** Returns the committed items before `upTo`, and the attempt's own. */
  read(attempt: Attempt, upTo: number = Number.POSITIVE_INFINITY): Promise<readonly unknown[]> {
    if (upTo !== Number.POSITIVE_INFINITY) requireInteger("upTo", upTo, 0);
    const log = attempt.trace.lasting?.log;
    if (log === undefined) return Promise.resolve([]);
    if (log.left === 0) return Promise.resolve(log.view(upTo, attempt));
    const filled = this.#engine.waits.waitFor(attempt, this.#filled(attempt.trace, log));
    return filled.then(() => log.view(upTo, attempt));
  }

  /** Commits the items of an attempt and passes them to the reader of its trace; returns their number. */
  committed(attempt: Attempt): number {
    const { lasting, sink } = attempt.trace;
    let count = 0;
    if (lasting === null || lasting.log === undefined) return count;
    for (const row of lasting.log.commit(attempt)) {
      count += row.items.length;
      sink.logged?.(row, OWN);
    }
    return count;
  }

  /** Closes the log of a trace that ends without a result. */
  close(trace: Trace, status: ClosedTrace["status"], error: FlowError): void {
    const { durable, options } = this.#engine;
    // such a trace may be taken up again
    const isKept = durable !== undefined && (status === "failed" || status === "stopped");
    if (options.closeLog === undefined || isKept) return;
    const { id: traceId, tenant, origin } = trace;
    const spent = (origin === null ? trace.extras?.account?.spent : undefined) ?? {};
    try {
      const items = options.closeLog({ traceId, tenant, status, error, spent });
      if (items.length === 0) return;
      durable?.requireFit(items, "items", options.name);
      const log = ((trace.lasting ??= new Lasting()).log ??= new TraceLog(0));
      const writer = { isOver: false };
      log.add(writer, [...items], origin === null ? durable?.textOf(items) : undefined);
      for (const row of log.commit(writer)) trace.sink.logged?.(row, OWN);
    } catch (fault) {
      options.logger.error("close_log_failed", { flow: options.name, traceId, tenant, error: describeThrown(fault) });
    }
  }

  /** Returns access to the log as it is now, which outlasts the trace. */
  viewOf(trace: Trace, log: TraceLog): OutcomeLog {
    const { length } = log;
    // the store removes the items with the trace
    if (log.left > 0) this.#filled(trace, log).catch(() => {});
    return Object.freeze({
      length,
      read: async (): Promise<readonly unknown[]> => {
        if (log.left > 0) await this.#filled(trace, log);
        return log.view(length);
      },
    });
  }

  /** Keeps the log of a trace that has ended, unless the checkpoint store does. */
  ended({ id, tenant, lasting, origin }: Trace): void {
    const log = lasting?.log;
    const { maxKeptLogs } = this.#engine.options.limits;
    // no call finds the trace of a playbook: it has the id of its parent's
    if (
      log === undefined ||
      log.length === 0 ||
      this.#engine.durable !== undefined ||
      origin !== null ||
      maxKeptLogs === 0
    )
      return;
    this.#kept.push({ traceId: id, tenant, log });
    if (this.#kept.length > maxKeptLogs) this.#kept.shift();
  }

  /** Returns the stored items of a trace's log; `undefined` when no such trace is in flight or kept. */
  async find(traceId: string, tenant: string): Promise<readonly unknown[] | undefined> {
    const { durable, traces } = this.#engine;
    const trace = traces.find(traceId, tenant).find(({ isOpen }) => isOpen);
    if (trace === undefined) {
      const kept = this.#kept.findLast((one) => one.traceId === traceId && one.tenant === tenant);
      return kept === undefined ? await durable?.logOf(traceId, tenant) : kept.log.view(Number.POSITIVE_INFINITY);
    }
    const log = trace.lasting?.log;
    if (log !== undefined && log.left > 0) await this.#filled(trace, log);
    const items = log?.view(Number.POSITIVE_INFINITY) ?? [];
    await durable?.stored();
    return items;
  }

  /** Reads the items that an earlier run has stored. */
  #filled(trace: Trace, log: TraceLog): Promise<void> {
    log.reading ??= (async () => {
      try {
        const { run, id: traceId, tenant } = trace;
        log.addStored(await (this.#engine.durable as DurableRun).storedLog({ run, traceId, tenant }));
      } catch (error) {
        log.reading = undefined;
        throw error;
      } finally {
        // the checkpoint of an ended trace was kept for this
        if (!trace.isOpen) this.#engine.ledger.changed(trace);
      }
    })();
    return log.reading;
  }
}

/** The log of a trace as one of its attempts uses it. */
class AttemptLog implements ContextLog {
  readonly #logs: Logs;
  readonly #attempt: Attempt;

  constructor(logs: Logs, attempt: Attempt) {
    this.#logs = logs;
    this.#attempt = attempt;
  }

  append(items: readonly unknown[]): Promise<number> {
    return whileRunning(this.#attempt, "append to the log", () =>
      Promise.resolve(this.#logs.append(this.#attempt, items)),
    );
  }

  read<Item>(upTo?: number): Promise<readonly Item[]> {
    return whileRunning(this.#attempt, "read the log", () => this.#logs.read(this.#attempt, upTo)) as Promise<
      readonly Item[]
    >;
  }
}
