import { requireOneOf } from "../foundation/options.ts";
import type { Engine } from "../engine/engine.ts";
import { StreamSink } from "../engine/results/stream-sink.ts";
import { type Source, TraceReader, type TraceStream } from "../engine/results/trace-reader.ts";
import type { Trace } from "../engine/state/trace.ts";
import type { Running } from "./running.ts";

/** Settled when it is known whether the entry nodes take a message. */
export type Admitted = PromiseWithResolvers<void>;

/** Work before a trace is read, and what is read of it. */
interface Before {
  /** Refuses a message before there is a trace; `left` aborts if the reader leaves meanwhile. */
  readonly check?: (left: AbortSignal) => Promise<void>;
  /** Loads the trace that `begin` finds, if a durable flow has unloaded it. */
  readonly load?: (engine: Engine) => Promise<void> | undefined;
  /** Whether the reader receives what is logged. */
  readonly log?: boolean | undefined;
}

/** Reads what a trace produces into a sink that `begin` opens or finds it for. */
export function readTrace<Item>(
  running: Running,
  onLeave: "cancel" | "detach",
  begin: (
    engine: Engine,
    sink: StreamSink,
    admitted: Admitted | undefined,
  ) => Trace | undefined | Promise<Trace | undefined>,
  { check, load, log }: Before = {},
): TraceStream<Item> {
  requireOneOf("onLeave", onLeave, ["cancel", "detach"]);
  // a trace begins with the first read, which may come from elsewhere
  const scope = running.options.asyncScope();
  const open = (isChecked: boolean): Source<Item> => {
    const sink = new StreamSink(running.options.streamWindow, log);
    const engine = running.require();
    const admitted = isChecked ? Promise.withResolvers<void>() : undefined;
    const leave = async (trace: Trace | undefined): Promise<void> => {
      sink.detach();
      if (onLeave === "cancel" && trace !== undefined)
        await engine.ending.cancel(trace, "the reader of its stream has left");
    };
    const { durable } = engine;
    if (durable !== undefined) {
      const beginOrRefuse = async (): Promise<Trace | undefined> => {
        try {
          return await begin(engine, sink, admitted);
        } catch (error) {
          admitted?.reject(error);
          throw error;
        }
      };
      const accepted =
        admitted && Promise.all([durable.ready, admitted.promise]).then(async () => await durable.stored());
      const loadAndBegin = (): Trace | undefined | Promise<Trace | undefined> =>
        load?.(engine)?.then(beginOrRefuse) ?? beginOrRefuse();
      return { ...durable.gate.stream<Item>(sink, loadAndBegin, leave), accepted };
    }
    const trace = begin(engine, sink, admitted);
    return {
      take: () => sink.take() as Item | undefined,
      next: () => sink.next() as Promise<Item | undefined>,
      spent: () => sink.spent,
      leave: async () => await leave(await trace),
      accepted: admitted?.promise,
    };
  };
  return new TraceReader<Item>(
    (isChecked) => scope.runInAsyncScope(open, undefined, isChecked),
    check && ((left) => scope.runInAsyncScope(check, undefined, left)),
  );
}
