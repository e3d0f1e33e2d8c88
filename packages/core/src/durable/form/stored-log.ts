import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { OutcomeLog } from "../../message/outcome.ts";
import type { DurableRun, RunKey } from "../../engine/durability.ts";
import { TraceLog } from "../../engine/state/trace-log.ts";

/** Reads logs from the checkpoint store. */
export type StoredLogs = Pick<DurableRun, "storedLog">;

/** Returns access to the log of an ended trace as it was at its end, while the store has it. */
export function storedLog(logs: StoredLogs, { run, tenant, traceId }: RunKey, length: number): OutcomeLog {
  const key = { run, tenant, traceId };
  return Object.freeze({
    length,
    read: async (): Promise<readonly unknown[]> => {
      const rows = await logs.storedLog(key);
      if (rows.length === 0)
        throw new FlowError({
          code: FlowErrorCode.TRACE_UNKNOWN,
          message: `Cannot read the log of trace "${traceId}": it went with the outcome, which is no longer kept; read it sooner`,
          traceId,
          tenant,
        });
      const log = new TraceLog(length);
      log.addStored(rows);
      return log.view(length);
    },
  });
}
