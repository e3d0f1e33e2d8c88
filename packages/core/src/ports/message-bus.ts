import type { MessageHeaders } from "../message/message.ts";
import type { Meta } from "../message/meta.ts";

/** A message that went over an edge, as others are told of it. */
export interface BusEnvelope {
  /** The version of this form. */
  readonly version: 1;
  /** `source->target`; `OpenSea` and `Rookery` are the endpoints. */
  readonly edge: string;
  readonly source: string;
  readonly target: string;
  readonly flow: string;
  readonly traceId: string;
  readonly tenant: string;
  readonly headers: MessageHeaders;
  readonly payload: unknown;
  readonly meta: Meta;
  /** Epoch milliseconds at which the edge accepted the message. */
  readonly at: number;
}

/**
 * Tells others what goes over the edges of a flow. Called off the hot path, in order, one batch at a
 * time, after acceptance; a call that fails is logged and never stops the flow.
 */
export interface MessageBus {
  /** Publishes envelopes in the given order. A batch that was rejected is not repeated. */
  publish(batch: readonly BusEnvelope[]): Promise<void>;
}
