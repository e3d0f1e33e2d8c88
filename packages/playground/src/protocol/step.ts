import type { Effects, FlowEvent } from "penguiflow";
import type { LogLine } from "./log-line.ts";

/** One attempt of one message at one node: a bar of the timeline. */
export interface StepView {
  /** `lineage.attempt`; unique in the run. */
  readonly id: string;
  /** Seq of the record that began it. */
  readonly seq: number;
  readonly node: string;
  /** Names of the playbooks and subflows around the node, outermost first. */
  readonly path: readonly string[];
  readonly attempt: number;
  readonly state: StepState;
  /** Epoch milliseconds with fractions: queued, then started, then returned, then taken by the next nodes. */
  readonly queuedAt: number;
  readonly startedAt?: number;
  readonly returnedAt?: number;
  readonly endedAt?: number;
  /** Spans in which it was parked. Those without `to` go on. */
  readonly waits: readonly {
    readonly for: "answer" | "time" | "signal";
    readonly from: number;
    readonly to?: number;
  }[];
  /** The node that sent the message; absent when it came from outside. */
  readonly from?: string;
  /** The nodes that its messages went to; `Rookery` for results. */
  readonly to: readonly string[];
  readonly error?: { readonly code: string; readonly message: string; readonly place?: string };
  readonly effects?: Effects;
  /** Whether its message was kept, so that the run can be begun again from here. */
  readonly canRunAgain: boolean;
}

/** State of a {@link StepView}. */
export type StepState =
  | "waiting"
  | "running"
  | "sending"
  | "done"
  | "retried"
  | "failed"
  | "cancelled"
  | "paused"
  | "sleeping";

/** `GET /api/runs/:flow/:id/messages?step=` */
export interface StepMessages {
  readonly step: string;
  /** The message that the node was given; absent when it was not kept. */
  readonly input?: KeptMessage;
  readonly outputs: readonly KeptMessage[];
  readonly chunks: readonly {
    readonly at: number;
    readonly streamId: string;
    readonly text: string;
    readonly kind?: string;
    readonly data?: unknown;
  }[];
  /** Lines printed while it ran, of whichever run. */
  readonly logs: readonly LogLine[];
  readonly events: readonly FlowEvent[];
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly stack?: string;
    readonly place?: string;
  };
}

/** A message of a run as it was kept. */
export interface KeptMessage {
  readonly node: string;
  readonly lineage: string;
  readonly at: number;
  readonly payload: unknown;
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Present when the payload was too long: `payload` is the beginning of its JSON, of this many characters. */
  readonly cutAt?: number;
}

/** `GET /api/runs/:flow/:id/events?cursor=` gives `Page<RunEvent>` in order: what the scrubber plays. */
export interface RunEvent {
  readonly seq: number;
  /** Epoch milliseconds with fractions. */
  readonly at: number;
  readonly event: FlowEvent;
  readonly lineage?: string;
  readonly from?: string;
  /** Depth of each edge after this event, `from>to`, where it changed. */
  readonly edges?: Readonly<Record<string, number>>;
  /** The working memory that its message carries, where it changed. */
  readonly memory?: unknown;
}

/** `GET /api/runs/:flow/:id/model?step=` gives `ModelCallView[]`: the exact model calls of a run, in order. */
export interface ModelCallView {
  readonly step: string;
  readonly call: number;
  readonly provider: string;
  readonly model: string;
  readonly startedAt: number;
  readonly ms: number;
  /** The request as given to the model: prompt, tools, settings. */
  readonly request: unknown;
  /** The parts of its reply, or its error. */
  readonly reply?: unknown;
  readonly error?: string;
  readonly tokens?: { readonly in: number; readonly out: number };
  readonly costUsd?: number;
}
