import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { nameOfNode, requireObject } from "../foundation/options.ts";
import type { NodeOrName } from "../graph/handler.ts";
import { Message } from "../message/message.ts";
import { edgeInto } from "../engine/compile-graph.ts";
import type { Engine } from "../engine/engine.ts";
import type { StreamItem } from "../engine/results/stream-sink.ts";
import type { TraceStream } from "../engine/results/trace-reader.ts";
import type { Edge } from "../engine/state/worker.ts";
import type { StreamOptions } from "./call-options.ts";
import type { FlowRun } from "./flow-run.ts";
import { openTrace } from "./open-trace.ts";
import { prepare } from "./prepare.ts";
import { readTrace } from "./read-trace.ts";
import { runningBehind } from "./running.ts";

/** Options of {@link runFrom}: those of a streamed call, without `id`, `keepMs` and `to`. */
export type RunFromOptions = Omit<StreamOptions, "id" | "keepMs" | "to">;

/**
 * Runs a flow again from one of its nodes, with a message that the node was given before: of a recorder, or written
 * down by `writeValue`. Begins a new trace at the node; the nodes before it do not run. The message keeps its tenant,
 * principal, topic, priority and meta. Its time limit begins anew, and its trace id is a new one unless `traceId` is given.
 *
 * A join is given a whole group: the list of its payloads. A join further on starves unless the nodes after the start
 * send it all that it gathers; the trace fails then as in any run. Payloads are not checked by the compiler here.
 *
 * @param at - the node or its name
 * @throws FlowError `ROUTE_UNKNOWN` when the flow has no such node; those of `flow.stream`
 */
export function runFrom<Result>(
  run: FlowRun<never, Result>,
  at: NodeOrName,
  input: unknown,
  options: RunFromOptions = {},
): TraceStream<StreamItem<Result>> {
  requireObject("options", options);
  for (const key of ["id", "keepMs", "to"])
    if (key in options) throw new TypeError(`Option "${key}" of runFrom is not allowed: its trace begins at the node`);
  const name = nameOfNode("at", at);
  const { onLeave = "cancel", ...own } = options;
  return readTrace<StreamItem<Result>>(runningBehind(run), onLeave, (engine, sink) => {
    const edge = edgeTo(engine, name);
    const given = { ...own, traceId: own.traceId ?? engine.ids.next() };
    const prepared = prepare(engine, input instanceof Message ? begunNow(engine, input) : input, given);
    engine.durable?.requireFitMessage(prepared.message);
    const trace = openTrace(engine, prepared, given, sink);
    // without a function to settle, a waiting trace would take the node's own entry
    engine.enter(trace, prepared.message, [edge], () => {});
    return trace;
  });
}

function edgeTo(engine: Engine, name: string): Edge {
  const { workshop, options } = engine;
  const worker = workshop.byName.get(name);
  if (worker !== undefined) return edgeInto(workshop, worker, options.queueMaxSize);
  throw new FlowError({
    code: FlowErrorCode.ROUTE_UNKNOWN,
    message: `Cannot run flow "${options.name}" from "${name}": it has no such node; its nodes are ${[...workshop.byName.keys()].map((known) => `"${known}"`).join(", ")}`,
  });
}

/** Copies a kept message as if it was created now, with as long a time limit as it had. */
function begunNow(engine: Engine, { payload, headers, traceId, createdAt, deadlineAt, meta }: Message): Message {
  const now = engine.clock.epochNow();
  const ends = deadlineAt === undefined ? undefined : now + Math.max(0, deadlineAt - createdAt);
  return new Message({ payload, headers, traceId, createdAt: now, deadlineAt: ends, meta });
}
