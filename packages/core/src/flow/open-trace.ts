import type { Engine } from "../engine/engine.ts";
import type { Trace, TraceSink } from "../engine/state/trace.ts";
import type { EmitOptions } from "./call-options.ts";
import type { Prepared } from "./prepare.ts";

/** Opens the trace of a message, with everything that the options of its call give it, and has it ask for its turn. */
export function openTrace(
  engine: Engine,
  { message, idNumber }: Pick<Prepared, "message" | "idNumber">,
  { signal, budget, exclusive }: EmitOptions,
  sink: TraceSink,
  isOpenEnded = false,
): Trace {
  const trace = engine.open({ message, idNumber, origin: null, sink, signal, isOpenEnded });
  if (budget !== undefined) engine.budgets.open(trace, budget);
  engine.requestTurn(trace, exclusive);
  return trace;
}
