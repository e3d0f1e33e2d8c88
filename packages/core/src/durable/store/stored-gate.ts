import type { FlowError } from "../../foundation/flow-error.ts";
import type { Outcome } from "../../message/outcome.ts";
import type { DurableRun, Gate } from "../../engine/durability.ts";
import type { Source } from "../../engine/results/trace-reader.ts";
import type { StreamSink } from "../../engine/results/stream-sink.ts";
import type { Trace } from "../../engine/state/trace.ts";

/** Holds back a flow's output until everything before it is stored. */
export class StoredGate implements Gate {
  readonly #run: DurableRun;

  constructor(run: DurableRun) {
    this.#run = run;
  }

  value<Value>(tell: (value: Value) => void, refuse: (failure: Error) => void): (value: Value) => void {
    return (value) =>
      this.#run.afterStored((failure) => {
        if (failure === undefined) tell(value);
        else refuse(failure);
      });
  }

  outcome(tell: (outcome: Outcome) => void): (outcome: Outcome) => void {
    return (outcome) =>
      this.#run.afterStored((failure) => {
        const wasStopped = outcome.status === "stopped" && (failure as FlowError | undefined)?.code === "FLOW_STOPPED";
        if (failure === undefined || wasStopped) {
          tell(outcome);
          return;
        }
        const { traceId, tenant, durationMs } = outcome;
        const none = { messages: [], results: [], droppedResults: 0, spent: {} };
        tell(Object.freeze({ status: "stopped", traceId, tenant, durationMs, ...none, error: failure as FlowError }));
      });
  }

  stream<Item>(
    sink: StreamSink,
    begin: () => Trace | undefined | Promise<Trace | undefined>,
    leave: (trace: Trace | undefined) => Promise<void>,
  ): Source<Item> {
    const run = this.#run;
    const begun = run.ready.then(begin);
    begun.catch(() => {});
    return {
      next: async () => {
        await begun;
        const item = await sink.next().catch(async (error: unknown) => {
          await run.stored();
          throw error;
        });
        // chunks are transient output for watchers; a result must last, and a pause may be answered after a crash
        if (item?.type !== "chunk") await run.stored();
        return item as Item | undefined;
      },
      spent: () => sink.spent,
      leave: async () => await leave(await begun.catch(() => undefined)),
    };
  }
}
