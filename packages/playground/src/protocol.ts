/**
 * The HTTP interface between `penguiflow dev` and its pages: each route under `/api` takes and gives one of these shapes
 * as JSON. Types alone, so that the server and the page share them without sharing code.
 */
import type { EdgeStats, FlowEvent, FlowStats, GraphJson, NodeStats } from "penguiflow";
import type { Finding } from "penguiflow/lint";
import type { PlanEvent, Question } from "@penguiflow/planner";

export type { EdgeStats, FlowEvent, FlowStats, GraphJson, NodeStats, Finding, PlanEvent, Question };

/** The body of every answer that is no success. */
export interface ApiProblem {
  readonly error: { readonly code: ApiErrorCode; readonly message: string; readonly details?: unknown };
}

/** Codes of {@link ApiProblem}, each with its HTTP status. */
export const API_ERRORS = {
  TOKEN_INVALID: 401,
  HOST_FOREIGN: 421,
  ORIGIN_FOREIGN: 403,
  FORBIDDEN: 403,
  READ_ONLY: 403,
  INPUT_MALFORMED: 400,
  BODY_TOO_LARGE: 413,
  CONTENT_TYPE_WRONG: 415,
  METHOD_WRONG: 405,
  ROUTE_UNKNOWN: 404,
  FLOW_UNKNOWN: 404,
  RUN_UNKNOWN: 404,
  PAUSE_UNKNOWN: 404,
  THREAD_UNKNOWN: 404,
  TOOL_UNKNOWN: 404,
  SEQ_GONE: 410,
  PAUSE_EXPIRED: 410,
  INPUT_INVALID: 422,
  RESUME_INVALID: 422,
  FLOW_NOT_RUNNING: 409,
  RUN_ENDED: 409,
  PAUSE_USED: 409,
  FILE_EXISTS: 409,
  WRITES_UNCONFIRMED: 428,
  INTERNAL: 500,
} as const;
export type ApiErrorCode = keyof typeof API_ERRORS;

/** One page of a list; `next` is the `cursor` of the following page. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next?: string;
}

// --- the project ------------------------------------------------------------

/** `GET /api/project` */
export interface ProjectView {
  readonly name: string;
  readonly versions: { readonly penguiflow: string; readonly cli: string; readonly node: string };
  readonly flows: readonly FlowSummary[];
  /** `"starting"` until the first code is loaded; `"broken"` while the newest code does not load. */
  readonly state: "starting" | "ready" | "broken";
  readonly reload: Reload | undefined;
  readonly overlay: Overlay | undefined;
  /** Whether the pages may change anything; a state store is only read. */
  readonly isReadOnly: boolean;
}

export interface FlowSummary {
  readonly name: string;
  readonly kind: "flow" | "planner";
  /** Name of its export; absent for a flow that the project started by itself. */
  readonly exported?: string;
  /** Whether its input is a text, so that it can be chatted with. */
  readonly takesText: boolean;
  readonly isDurable: boolean;
  readonly nodes: number;
  readonly findings: number;
  readonly openPauses: number;
}

/** The last time that code was loaded. */
export interface Reload {
  readonly at: number;
  readonly ms: number;
  /** Files whose change caused it, relative to the project; empty at the start. */
  readonly files: readonly string[];
  readonly generation: number;
}

/** Code that does not load, or that ended its process. The last good code goes on meanwhile. */
export interface Overlay {
  readonly at: number;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly place?: { readonly file: string; readonly line: number; readonly column?: number };
  /** Lines around the place, the first of them number `first`. */
  readonly frame?: { readonly first: number; readonly lines: readonly string[] };
  readonly stack?: string;
  /** Whether an earlier version of the code answers meanwhile. */
  readonly hasGoodCode: boolean;
}

/** `GET /api/flows/:flow` */
export interface FlowView extends FlowSummary {
  readonly graph: GraphJson;
  readonly findings_: readonly Finding[];
  /** JSON Schema of the input of its entry nodes, if known. */
  readonly inputSchema?: unknown;
  /** Present while it runs. */
  readonly stats?: FlowStats;
  readonly mermaid: string;
}

// --- the live feed ----------------------------------------------------------

/** `GET /api/events?flow=&since=`: server-sent events; the event's name is `type`, its id is `seq`. */
export type FeedItem =
  | ({ readonly type: "frame" } & Frame)
  | { readonly type: "reload"; readonly seq: number; readonly reload: Reload }
  /** `overlay` is absent when code loads again. */
  | { readonly type: "overlay"; readonly seq: number; readonly overlay?: Overlay }
  | { readonly type: "pause"; readonly seq: number; readonly open: number }
  | { readonly type: "log"; readonly seq: number; readonly lines: readonly LogLine[] }
  | { readonly type: "run"; readonly seq: number; readonly run: RunSummary };

/** What has happened since the last frame: at most ten a second, none while nothing changes. */
export interface Frame {
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Number of events that were left out because the reader was slow or there were too many. */
  readonly skipped: number;
  readonly events: readonly FeedEvent[];
  /** Figures of the flows that changed. */
  readonly stats: readonly { readonly flow: string; readonly stats: FlowStats }[];
}

/** An event of a flow on the feed, short. */
export interface FeedEvent {
  readonly seq: number;
  readonly at: number;
  readonly flow: string;
  readonly type: string;
  readonly traceId: string;
  readonly tenant: string;
  readonly node?: string;
  /** The message's identity within its trace. */
  readonly lineage?: string;
  /** The node that sent the message; absent when it came from outside. */
  readonly from?: string;
  readonly code?: string;
}

export interface LogLine {
  readonly at: number;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

// --- runs -------------------------------------------------------------------

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

/** `GET /api/runs?flow=&state=&node=&code=&tenant=&thread=&q=&cursor=` gives `Page<RunSummary>`, newest first. */
export interface RunSummary {
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
  /** The run that it repeats, and the node that it began at. */
  readonly again?: { readonly of: string; readonly from?: string };
  readonly openPauses: number;
}

/** `GET /api/runs/:flow/:id` */
export interface RunView extends RunSummary {
  readonly inputValue: unknown;
  readonly results: readonly unknown[];
  readonly budgets: readonly { readonly name: string; readonly spent: number; readonly limit?: number }[];
  readonly deadlineAt?: number;
  readonly steps: readonly StepView[];
  readonly pauses: readonly PauseView[];
  /** Events of its planner, if it is one's run, in order. */
  readonly plan?: readonly PlanEvent[];
  readonly generation: number;
  /** Whether the run was recorded from its start to its end, so that it can be replayed and tested. */
  readonly isWhole: boolean;
}

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
  readonly state: "waiting" | "running" | "sending" | "done" | "retried" | "failed" | "cancelled" | "paused" | "sleeping";
  /** Epoch milliseconds with fractions: queued, then started, then returned, then taken by the next nodes. */
  readonly queuedAt: number;
  readonly startedAt?: number;
  readonly returnedAt?: number;
  readonly endedAt?: number;
  readonly from?: string;
  readonly to: readonly string[];
  readonly error?: { readonly code: string; readonly message: string; readonly place?: string };
  readonly effects?: "none" | "reads" | "writes";
  /** Whether its message was kept, so that the run can be begun again from here. */
  readonly canRunAgain: boolean;
}

/** `GET /api/runs/:flow/:id/messages?step=` */
export interface StepMessages {
  readonly step: string;
  /** The message that the node was given. */
  readonly input: KeptMessage;
  readonly outputs: readonly KeptMessage[];
  readonly chunks: readonly { readonly at: number; readonly streamId: string; readonly text: string; readonly kind?: string; readonly data?: unknown }[];
  readonly logs: readonly LogLine[];
  readonly events: readonly FlowEvent[];
  readonly error?: { readonly code: string; readonly message: string; readonly stack?: string; readonly place?: string };
}

export interface KeptMessage {
  readonly node: string;
  readonly lineage: string;
  readonly at: number;
  readonly payload: unknown;
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Present when the payload was too long, and was cut. */
  readonly cutAt?: number;
}

/** `GET /api/runs/:flow/:id/events?cursor=` gives `Page<RunEvent>` in order: what the scrubber plays. */
export interface RunEvent {
  readonly seq: number;
  readonly at: number;
  readonly event: FlowEvent;
  readonly lineage?: string;
  readonly from?: string;
  /** Depth of each edge after this event, `from>to`, where it changed. */
  readonly edges?: Readonly<Record<string, number>>;
}

/** `GET /api/runs/:flow/:id/model?step=`: the exact model calls of a run, in order. */
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
export interface RunStarted {
  readonly runId: string;
}

/** `POST /api/runs/:flow/:id/again` */
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
  readonly stopped: number;
  readonly givenUp: number;
  readonly dropped: number;
}

/** `POST /api/runs/:flow/:id/test` */
export interface NewTest {
  readonly runner: "vitest" | "node:test";
  /** Writes the file into the project. @defaultValue false: only its text is returned */
  readonly write?: boolean;
  /** Nodes that are not to be replayed although they say that they read or write. */
  readonly runForReal?: readonly string[];
}
export interface TestMade {
  readonly path: string;
  readonly text: string;
  readonly replayed: readonly { readonly node: string; readonly why: string }[];
  /** The test as it is, and with its exit node broken: it is offered if the first passes and the second fails. */
  readonly proof: { readonly passes: boolean; readonly failsWhenBroken: boolean; readonly output: string };
}

// --- pauses -----------------------------------------------------------------

/** `GET /api/pauses` gives `Page<PauseView>`, oldest first, without their tokens. */
export interface PauseView {
  /** Public id: names the pause, and cannot answer it. */
  readonly id: string;
  readonly flow: string;
  readonly runId: string;
  readonly tenant: string;
  readonly thread?: string;
  readonly node: string;
  readonly path: readonly string[];
  readonly kind: "approval" | "input" | "sign-in" | "pause";
  readonly reason: string;
  readonly payload: unknown;
  readonly tool?: string;
  readonly args?: unknown;
  readonly effects?: "none" | "reads" | "writes";
  /** JSON Schema of the answer, or of the arguments for an approval, if known. */
  readonly schema?: unknown;
  readonly since: number;
  readonly expiresAt?: number;
  /** Whether it ends with its process. */
  readonly isVolatile: boolean;
}

/**
 * `POST /api/pauses/:id`: for a question of a planner a `Decision` of it, for another pause the value.
 * Resolves once the answer is accepted.
 */
export interface PauseAnswer {
  readonly value: unknown;
}

// --- threads ----------------------------------------------------------------

/** `GET /api/threads?flow=` gives `Page<ThreadSummary>`, newest first; `POST` makes one, `DELETE` removes one. */
export interface ThreadSummary {
  readonly id: string;
  readonly flow: string;
  readonly title: string;
  readonly turns: number;
  readonly state: RunState | "new";
  readonly at: number;
  readonly tokens?: number;
}
export interface NewThread {
  readonly flow: string;
  /** Copies a thread up to, and without, a turn: a message is edited so. */
  readonly forkOf?: { readonly id: string; readonly turn: number };
}

/** `GET /api/threads/:id` */
export interface ThreadView extends ThreadSummary {
  readonly turns_: readonly TurnView[];
}
/** One message of a person and the run that answers it. */
export interface TurnView {
  readonly turn: number;
  readonly at: number;
  readonly text: string;
  readonly run: RunSummary;
  /** The answer so far, in the order of its parts. */
  readonly parts: readonly TurnPart[];
}
export type TurnPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "reasoning"; readonly text: string }
  | {
      readonly type: "call";
      readonly callId: string;
      readonly tool: string;
      readonly args: unknown;
      readonly state: "running" | "asked" | "done" | "failed" | "rejected";
      readonly output?: unknown;
      readonly ms?: number;
      readonly attempts: number;
    };

/** `GET /api/threads/:id/memory`: what the next model call will see. */
export interface MemoryView {
  readonly budgetTokens?: number;
  readonly items: readonly {
    readonly kind: "turn" | "summary" | "pending" | "dropped";
    readonly text: string;
    readonly tokens: number;
    readonly why?: string;
  }[];
  readonly context: readonly string[];
  readonly resources: readonly string[];
}

// --- tools, lint, compare, simulate -------------------------------------------

/** `GET /api/tools` gives `ToolView[]`; `POST /api/tools/:name/call` gives `RunStarted`. */
export interface ToolView {
  readonly name: string;
  readonly flow: string;
  readonly source: string;
  readonly description?: string;
  readonly inputSchema?: unknown;
  readonly outputSchema?: unknown;
  readonly effects?: string;
  readonly approval?: string;
  readonly calls: number;
  readonly errors: number;
  readonly p95Ms?: number;
}

/** `GET /api/lint` */
export interface LintView {
  readonly flow: string;
  readonly findings: readonly Finding[];
}

/** `GET /api/compare?a=FLOW/ID&b=FLOW/ID` */
export interface CompareView {
  readonly a: RunSummary;
  readonly b: RunSummary;
  /** Steps by node and attempt in the order of the first run; absent where a run has none. */
  readonly rows: readonly { readonly node: string; readonly a?: StepView; readonly b?: StepView; readonly differs: readonly ("path" | "payload" | "state")[] }[];
  readonly first?: { readonly row: number; readonly kind: "path" | "payload" | "state"; readonly text: string };
}

/** `POST /api/simulate` gives server-sent events of these; `DELETE /api/simulate/:id` stops it. */
export interface NewSimulation {
  readonly file?: string;
  readonly seeds?: number;
  readonly from?: number;
}
export type SimulationItem =
  | { readonly type: "start"; readonly id: string; readonly seeds: number }
  | { readonly type: "seed"; readonly seed: number; readonly ok: boolean; readonly message?: string; readonly faults: readonly string[] }
  | { readonly type: "end"; readonly failed: number; readonly never: readonly string[] };

/** `POST /api/open`: opens a file of the project in the editor. */
export interface OpenFile {
  readonly file: string;
  readonly line?: number;
}
