import type { Effects } from "penguiflow";
import type { RunState, RunSummary } from "./run.ts";

/**
 * `GET /api/threads?flow=&q=&cursor=` gives `Page<ThreadSummary>`, newest first; `POST /api/threads` makes one and gives
 * it; `DELETE /api/threads/:id` removes one with its runs (204).
 */
export interface ThreadSummary {
  readonly id: string;
  readonly flow: string;
  /** The beginning of its first message. */
  readonly title: string;
  readonly turnCount: number;
  readonly state: RunState | "new";
  /** Time of its last turn. */
  readonly at: number;
  readonly tokens?: number;
}
/** Body of `POST /api/threads`. */
export interface NewThread {
  readonly flow: string;
  /** Copies a thread up to, and without, a turn: a message is edited so. */
  readonly forkOf?: { readonly id: string; readonly turn: number };
}

/** `GET /api/threads/:id` */
export interface ThreadView extends ThreadSummary {
  readonly turns: readonly TurnView[];
}

/**
 * `POST /api/threads/:id/messages` gives `RunStarted`; 409 `RUN_OPEN` while a run of the thread goes on, and `PAUSE_OPEN`
 * while one waits for an answer.
 */
export interface NewThreadMessage {
  readonly text: string;
  /** For planners alone: a flow that takes text is given none. */
  readonly attachments?: readonly Attachment[];
}
/** A file of a message. */
export interface Attachment {
  readonly name: string;
  readonly mediaType: string;
  readonly base64: string;
}

/**
 * `GET /api/threads/:id/events`: server-sent events of a thread, live, each with its `type` as name. The first is a
 * `thread`; a reader that is slow or connects again gets another, which replaces all it has.
 */
export type ThreadItem =
  | { readonly type: "thread"; readonly thread: ThreadView }
  /** A new turn, or one whose run changed; its parts are whole. */
  | { readonly type: "turn"; readonly turn: TurnView }
  /** Adds `parts[index]` of a turn, or replaces it. */
  | { readonly type: "part"; readonly turn: number; readonly index: number; readonly part: TurnPart }
  /** Appends text to `parts[index]` of a turn, which is a text or a reasoning. */
  | { readonly type: "delta"; readonly turn: number; readonly index: number; readonly text: string };

/** One message of a person and the run that answers it. */
export interface TurnView {
  /** From 0. */
  readonly turn: number;
  readonly at: number;
  readonly text: string;
  readonly attachments?: readonly Pick<Attachment, "name" | "mediaType">[];
  readonly run: RunSummary;
  /** The answer so far, in the order of its parts. */
  readonly parts: readonly TurnPart[];
}

/** Part of an answer. */
export type TurnPart =
  | {
      readonly type: "text" | "reasoning";
      readonly text: string;
      /** Names of the planners below, outermost first; absent for the one that was run. */
      readonly path?: readonly string[];
      /** Present when its attempt failed and another follows: it is no part of the answer. */
      readonly isStruck?: true;
    }
  | {
      readonly type: "call";
      readonly callId: string;
      readonly tool: string;
      readonly args: unknown;
      readonly path?: readonly string[];
      readonly state: "running" | "asked" | "done" | "failed" | "rejected";
      readonly effects?: Effects;
      readonly output?: unknown;
      /** Message of the failure, or the reason of the rejection. */
      readonly error?: string;
      readonly ms?: number;
      readonly attempts: number;
      /** Progress that the tool has told last. */
      readonly progress?: unknown;
    }
  /** A message of a person to the running plan; `read` once the model was given it. */
  | { readonly type: "steer"; readonly text: string; readonly state: "queued" | "read" }
  /** A result that is no text, of a flow or of a planner with a typed output. */
  | { readonly type: "result"; readonly value: unknown };

/**
 * `GET /api/threads/:id/memory`: what the next model call will see. `PUT /api/threads/:id/memory/:at` takes a
 * {@link MemoryEdit}, and `DELETE` forgets an item; both answer 204, and 409 `RUN_OPEN` while a run of the thread goes on.
 */
export interface MemoryView {
  /** Whether the planner remembers threads at all: it has the option `memory`. */
  readonly isKept: boolean;
  readonly budgetTokens?: number;
  readonly items: readonly {
    readonly kind: "turn" | "summary" | "pending" | "dropped";
    readonly text: string;
    readonly tokens: number;
    readonly why?: string;
    /** Its position in the thread's log. Others may move when one is edited. */
    readonly at: number;
    /** The item in parts, to be edited. */
    readonly edit: MemoryEdit;
  }[];
  /** Names of the resources, without their values. */
  readonly resources: readonly string[];
}

/** The part of a turn that is remembered, or the summary of all turns before a place. */
export type MemoryEdit = { readonly user: string; readonly answer: string } | { readonly summary: string };
