import type { MessageHeaders } from "../message/message.ts";
import type { Meta } from "../message/meta.ts";

/** A message that an edge has accepted, or an event of `ctx.tell`, as published to subscribers. */
export interface BusEnvelope {
  /** The version of this format. */
  readonly version: 1;
  /** `source->target`; `OpenSea` and `Rookery` are the endpoints. */
  readonly edge: string;
  readonly source: string;
  readonly target: string;
  /** Type of an event that a handler has reported: also the target, its data being the payload. Absent for a message. */
  readonly event?: string | undefined;
  readonly flow: string;
  readonly traceId: string;
  readonly tenant: string;
  readonly headers: MessageHeaders;
  readonly payload: unknown;
  readonly meta: Meta;
  /** Epoch milliseconds at which the edge accepted the message, or the handler reported the event. */
  readonly at: number;
}

/**
 * Publishes the messages that the edges of a flow accept, and the events its handlers report. Called off the hot path, in order, one batch at a time, after
 * acceptance. A failed call is logged and never stops the flow.
 */
export interface MessageBus {
  /** Publishes envelopes in the given order. A rejected batch is not repeated. */
  publish(batch: readonly BusEnvelope[]): Promise<void>;
}
