import type { ErrorPayload, FlowEvent, TraceRecord } from "penguiflow";
import type { ObservedModelCall, PlanEvent } from "@penguiflow/planner";
import type { Attachment } from "@penguiflow/playground/protocol";

/**
 * A value as it is kept: as JSON, or the beginning of its JSON. `written` restores it exactly: `true` if the JSON does
 * so itself, else a text for `readValue`; absent for a value that cannot be restored.
 */
export type Kept =
  | { readonly value: unknown; readonly written?: string | true }
  | { readonly cut: string; readonly length: number };

/** A message as it is kept. */
export interface MessageFact {
  readonly node: string;
  readonly lineage: string;
  readonly payload: Kept;
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Whether the payload is a working memory. */
  readonly isMemory?: true;
}

/** A change of a message's state. */
export interface RecordFact {
  readonly type: TraceRecord["type"];
  readonly seq: number;
  /** Names of the playbooks around it, outermost first. */
  readonly path: readonly string[];
  readonly node?: string;
  readonly lineage?: string;
  readonly attempt?: number;
  readonly why?: string;
  /** The message that was accepted or restored. */
  readonly message?: MessageFact;
  readonly outputs?: readonly MessageFact[];
  /** The answer to a pause. */
  readonly value?: Kept;
  readonly spent?: Readonly<Record<string, number>>;
  readonly limits?: Readonly<Record<string, number>>;
}

/** A piece of a stream. */
export interface ChunkFact {
  readonly streamId: string;
  /** Number of earlier streams with this id. */
  readonly run: number;
  readonly text: string;
  readonly kind?: string | undefined;
  readonly data?: unknown;
  readonly done: boolean;
  readonly end?: string | undefined;
  readonly node?: string | undefined;
  readonly channel?: string | undefined;
  readonly attempt: number;
  readonly path: readonly string[];
}

/** Something that happened in a run. */
export type Fact = {
  /** Epoch milliseconds with fractions. */
  readonly at: number;
} & (
  | { readonly kind: "event"; readonly event: FlowEvent }
  | { readonly kind: "chunk"; readonly chunk: ChunkFact }
  | { readonly kind: "record"; readonly record: RecordFact }
  | { readonly kind: "plan"; readonly event: PlanEvent<unknown> }
  /** The run was refused, or its reader failed. */
  | { readonly kind: "failed"; readonly error: ErrorPayload }
  | { readonly kind: "begun"; readonly begun: Begun }
  | { readonly kind: "model"; readonly call: Omit<ObservedModelCall, "runId" | "tenant"> }
  | { readonly kind: "steer"; readonly text: string }
  /** Its stream is read from now on, and not any more. */
  | { readonly kind: "reading" | "read" }
);

/** The start of a run by a page. */
export interface Begun {
  readonly input: Kept;
  readonly generation: number;
  readonly isPlanner: boolean;
  readonly timeoutMs?: number | undefined;
  readonly thread?: string | undefined;
  readonly attachments?: readonly Pick<Attachment, "name" | "mediaType">[] | undefined;
  readonly again?: { readonly of: string; readonly from?: string } | undefined;
}

/** A fact and its run. */
export type RunFact = Fact & { readonly flow: string; readonly runId: string; readonly tenant: string };
