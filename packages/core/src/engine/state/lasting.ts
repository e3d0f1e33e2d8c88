import type { ErrorPayload } from "../../foundation/flow-error.ts";
import type { Timer } from "../../foundation/timer-wheel.ts";
import type { Outcome } from "../../message/outcome.ts";

/** What became of a side effect: `unknown` when the process ended before it was known. */
export interface Effect {
  status: "started" | "succeeded" | "failed" | "unknown";
  /** What it gave, when it succeeded. */
  value?: unknown;
  /** Why it failed. */
  error?: ErrorPayload | undefined;
  /** While it runs in this process. */
  running?: Promise<unknown> | undefined;
}

/** A pause that a handler made. */
export interface Pause {
  /** Which of its attempt's pauses it is: the same when the handler is called again. */
  readonly key: string;
  readonly token: string;
  readonly node: string;
  readonly reason: string;
  readonly payload: unknown;
  /** Epoch milliseconds. */
  readonly expiresAt: number | undefined;
  /** The attempt that waits for its answer; the engine knows what it is. */
  waiting: unknown;
  answer: { readonly value: unknown } | undefined;
  /** Called when the answer that is there does not fit. */
  refuse: ((error: unknown) => void) | undefined;
  timer: Timer | undefined;
}

/** What a trace has that outlasts attempts, and the process if the flow is durable. Few traces have any. */
export class Lasting {
  /** By key. */
  readonly effects = new Map<string, Effect>();
  /** By key, in the order in which they were made. */
  readonly pauses = new Map<string, Pause>();
  /** Attempts that wait for answers; the engine knows what they are. */
  readonly paused = new Set<unknown>();
  /** Who, beside its sink, wants to know how the trace goes on. */
  watchers: ((outcome: Outcome) => void)[] = [];
  /** Whether those who wait have been told that only answers are missing. */
  isQuiet = false;
}
