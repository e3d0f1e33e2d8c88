import type { PlanEvent } from "@penguiflow/planner";
import type { PauseView } from "./pause.ts";
import type { StepMessages, StepView } from "./step.ts";
import type { TurnPart } from "./thread.ts";

/** State of a run: it goes on, waits for an answer, or has ended. */
export type RunState =
  | "running"
  | "paused"
  | "completed"
  | "failed"
  | "cancelled"
  | "exhausted"
  | "empty"
  | "stopped"
  /** Its process ended before it did, and the flow is not durable. */
  | "lost";

/**
 * `GET /api/runs?flow=&state=&node=&code=&tenant=&thread=&q=&from=&to=&limit=&cursor=` gives `Page<RunSummary>`, newest
 * first. `q` is searched for in inputs, outputs and errors; `from` and `to` are epoch milliseconds of the start.
 * `GET /api/runs/export` takes the same filters, and `id=FLOW/ID` any number of times; it gives an `ExportedRun` a line.
 */
export interface RunSummary {
  /** The trace id; unique per flow and tenant. */
  readonly id: string;
  readonly flow: string;
  readonly tenant: string;
  readonly state: RunState;
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly durationMs?: number;
  readonly thread?: string;
  /** The beginning of the input, as text. */
  readonly input: string;
  /** The beginning of the first result or of the error, as text. */
  readonly output?: string;
  readonly error?: { readonly code: string; readonly message: string; readonly node?: string };
  readonly retries: number;
  readonly tokens?: { readonly in: number; readonly out: number };
  readonly costUsd?: number;
  /** The run that it repeats, and the step that it began at. */
  readonly again?: { readonly of: string; readonly from?: string };
  readonly openPauses: number;
  /** Present while its message waits at an entry that is held. */
  readonly isHeld?: true;
}

/** `GET /api/runs/:flow/:id`; `DELETE` removes it (204). */
export interface RunView extends RunSummary {
  readonly inputValue: unknown;
  readonly results: readonly unknown[];
  readonly budgets: readonly { readonly name: string; readonly spent: number; readonly limit?: number }[];
  readonly deadlineAt?: number;
  readonly steps: readonly StepView[];
  readonly pauses: readonly PauseView[];
  /** The answer so far, in the order of its parts. */
  readonly parts: readonly TurnPart[];
  /** Events of its planner, if it is one's run, in order. Texts of a step are whole. */
  readonly plan?: readonly PlanEvent<unknown>[];
  readonly generation: number;
  /** Whether the run was recorded from its start to its end, so that it can be replayed and tested. */
  readonly isWhole: boolean;
}

/** A line of `GET /api/runs/export`. */
export interface ExportedRun {
  readonly run: RunView;
  readonly messages: readonly StepMessages[];
}

/**
 * `GET /api/runs/:flow/:id/stream`: server-sent events of a run, live, each with its `type` as name. The first is a `snapshot`; a
 * reader that is slow or connects again gets another, which replaces all it has. The stream closes after `end`.
 */
export type RunStreamItem =
  | {
      readonly type: "snapshot";
      readonly run: RunSummary;
      readonly parts: readonly TurnPart[];
      readonly steps: readonly StepView[];
      readonly pauses: readonly PauseView[];
    }
  /** Appends text to `parts[index]`, which is a text or a reasoning. */
  | { readonly type: "delta"; readonly index: number; readonly text: string }
  /** Adds `parts[index]`, or replaces it. */
  | { readonly type: "part"; readonly index: number; readonly part: TurnPart }
  /** Adds the step, or replaces the one of its id. */
  | { readonly type: "step"; readonly step: StepView }
  /** Replaces the open pauses. */
  | { readonly type: "pauses"; readonly pauses: readonly PauseView[] }
  | { readonly type: "run"; readonly run: RunSummary }
  /** The run has ended. A paused run goes on with the stream. */
  | { readonly type: "end"; readonly run: RunSummary };

/** `POST /api/flows/:flow/runs` */
export interface NewRun {
  readonly input: unknown;
  readonly tenant?: string;
  readonly timeoutMs?: number;
  /** Number of runs. @defaultValue 1 */
  readonly count?: number;
  /** Runs a second. @defaultValue all at once */
  readonly rate?: number;
}
/** Answer of every route that begins a run; the first one's id if there are several. */
export interface RunStarted {
  readonly runId: string;
}

/** `POST /api/runs/:flow/:id/again` gives `RunStarted`. */
export interface RunAgain {
  /** `StepView.id`; the whole run when left out. */
  readonly from?: string;
  /** The input or message to use in place of the kept one. */
  readonly input?: unknown;
  /** Confirms that nodes that write may run. */
  readonly allowWrites?: boolean;
}

/** Answer of `POST /api/runs/:flow/:id/cancel`. */
export interface CancelReport {
  /** Number of handlers that returned after the abort. */
  readonly stopped: number;
  /** Number of handlers that did not return within the grace period. */
  readonly givenUp: number;
  /** Number of messages that were dropped. */
  readonly dropped: number;
}

/** `POST /api/runs/:flow/:id/steer`: a message into a planner's run. It is a part of type `steer` from then on. */
export interface Steer {
  readonly text: string;
}
/** Answer of it: number of messages that the plan has not read yet. */
export interface Steered {
  readonly queued: number;
}

/** `POST /api/runs/:flow/:id/test` */
export interface NewTest {
  /** @defaultValue the project's: vitest if it is a dependency, else node:test */
  readonly runner?: "vitest" | "node:test";
  /** Writes the file into the project. @defaultValue false: only its text is returned */
  readonly write?: boolean;
  /** Nodes that are not to be replayed although they say that they read or write. */
  readonly runForReal?: readonly string[];
}
/** A test that was made of a run, with its proof. */
export interface TestMade {
  /** Relative to the project. */
  readonly path: string;
  readonly text: string;
  readonly runner: "vitest" | "node:test";
  readonly replayed: readonly { readonly node: string; readonly why: string }[];
  /** The test as it is, and with its exit node broken: it is offered if the first passes and the second fails. */
  readonly proof: { readonly passes: boolean; readonly failsWhenBroken: boolean; readonly output: string };
  readonly isWritten: boolean;
}
