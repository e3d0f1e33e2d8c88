import { Moment } from "../foundation/clock.ts";
import { WM } from "../message/controller.ts";
import { DEFAULT_HEADERS, Message } from "../message/message.ts";
import { FairQueue } from "../queue/fair-queue.ts";
import { FairWaitingList } from "../queue/fair-waiting-list.ts";
import { type ContextServices, HandlerContext } from "./context/handler-context.ts";
import { CallSink, OutcomeSink } from "./results/sink.ts";
import { StreamSink } from "./results/stream-sink.ts";
import { TraceReader } from "./results/trace-reader.ts";
import { Attempt, AttemptExtras, Send } from "./state/attempt.ts";
import { StreamTable } from "./state/stream-table.ts";
import { BudgetAccount } from "./state/budget-account.ts";
import { TraceLog } from "./state/trace-log.ts";
import { Lasting, Trace, TraceExtras } from "./state/trace.ts";
import type { Worker } from "./state/worker.ts";

let kept: readonly object[] | undefined;

/**
 * Keeps one instance of each class whose instances live only as long as a trace.
 *
 * V8 drops the hidden class of a class that has no instance when it collects garbage, and with it all optimised code
 * that knows the hidden class. Without this, a full collection while no trace is in flight would make a flow slow until
 * that code is compiled again. See decision 20.
 */
export function keepShapes(): void {
  kept ??= shapes();
}

function shapes(): readonly object[] {
  const message = new Message({ payload: undefined, headers: DEFAULT_HEADERS, traceId: "-", createdAt: 0 });
  const sink = new CallSink(ignore, ignore);
  const trace = new Trace(0, "-", DEFAULT_HEADERS, sink, false, 0);
  const attempt = new Attempt(undefined as unknown as Worker, trace, message, null, 0, 0, 1);
  const send = new Send(trace, attempt, message, [], 0, null);
  // queues hold the shapes of their own entries
  const queue = new FairQueue<Trace>(true, () => 1);
  queue.push(trace, trace, false);
  const waiting = new FairWaitingList<Send>();
  waiting.push(send);
  return [
    new WM({ query: "" }),
    new Moment(0, 0),
    queue,
    waiting,
    new TraceExtras(),
    new AttemptExtras(),
    new Lasting(),
    new TraceLog(0),
    new BudgetAccount({}),
    new HandlerContext(attempt, {} as ContextServices),
    new OutcomeSink(1, ignore),
    new StreamSink(1),
    new StreamTable("-", "-", undefined),
    new TraceReader(() => ({ next: () => Promise.resolve(undefined), leave: () => Promise.resolve() })),
  ];
}

function ignore(): void {}
