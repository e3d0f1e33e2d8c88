import type { AGUIEvent } from "@ag-ui/core";
import { keepAlive } from "penguiflow";

/** Options of {@link eventStream}. */
export interface EventStreamOptions {
  readonly keepAliveMs: number;
  /** Called once if the client leaves before the last event. */
  readonly leave: () => void;
  /** Aborts when the client has gone. */
  readonly gone: AbortSignal;
}

/**
 * Writes events as server-sent events. A slow client slows the run. The events are read to their end whatever the client
 * does: leaving is no end of a run.
 */
export function eventStream(
  events: AsyncGenerator<AGUIEvent, void, undefined>,
  { keepAliveMs, leave, gone }: EventStreamOptions,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const items = keepAlive(events, { afterMs: keepAliveMs });
  let isOver = false;
  const left = (): void => {
    if (isOver) return;
    isOver = true;
    leave();
    drain(events).catch(() => {});
  };
  return new ReadableStream<Uint8Array>(
    {
      start() {
        if (gone.aborted) left();
        else gone.addEventListener("abort", left, { once: true });
      },
      async pull(controller) {
        const { done, value } = await items.next();
        if (done === true) {
          isOver = true;
          gone.removeEventListener("abort", left);
          controller.close();
        } else {
          controller.enqueue(
            encoder.encode("delta" in value || value.type !== "keep-alive" ? frame(value) : ": keep-alive\n\n"),
          );
        }
      },
      cancel: left,
    },
    // an event is asked for when the client can take it
    { highWaterMark: 0 },
  );
}

async function drain(events: AsyncGenerator): Promise<void> {
  while ((await events.next()).done !== true);
}

function frame(event: object): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}
