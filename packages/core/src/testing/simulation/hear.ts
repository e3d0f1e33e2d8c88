import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { PauseTicket } from "../../message/outcome.ts";
import type { StreamItem } from "../../engine/results/stream-sink.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

/** Calls again as long as the disk does not answer what a call reads. */
export async function patiently<Value>(
  world: SimulatedWorld,
  process: SimulatedProcess,
  call: () => Promise<Value>,
): Promise<Value> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isUnanswered = error instanceof FlowError && error.code === FlowErrorCode.CHECKPOINT_FAILED;
      if (!isUnanswered || process !== world.process || !world.flow.isRunning) throw error;
      await new Promise<void>((resolve) => process.later(resolve));
    }
  }
}

/** Reads a trace at the reader's pace, and checks that each of its pauses is yielded once. */
export async function hear(
  { broken, schedule }: SimulatedWorld,
  traceId: string,
  items: AsyncIterable<StreamItem<unknown>>,
  take: (item: StreamItem<unknown>) => void = () => {},
): Promise<void> {
  const heard = new Set<string>();
  try {
    for await (const item of items) {
      if (item.type === "pause") {
        const { token, reason } = item.pause;
        if (heard.has(token)) broken.push(`L2: the stream of "${traceId}" has the pause "${reason}" twice`);
        heard.add(token);
      } else {
        const { traceId: from } = item.type === "chunk" ? item.chunk : item.message;
        if (from !== traceId) broken.push(`L11: the stream of "${traceId}" has an item of "${from}"`);
      }
      take(item);
      await new Promise<void>((resolve) => schedule.move(resolve));
    }
  } catch (error) {
    for (const { token, reason } of pausesOf(error))
      if (!heard.has(token)) broken.push(`L2: the stream of "${traceId}" ended without the pause "${reason}"`);
    throw error;
  }
}

/** Returns the pauses with which the stream of a paused trace ends. */
function pausesOf(error: unknown): readonly PauseTicket[] {
  const isPaused = error instanceof FlowError && error.code === FlowErrorCode.TRACE_PAUSED;
  return isPaused ? (error.details?.["pauses"] as readonly PauseTicket[]) : [];
}
