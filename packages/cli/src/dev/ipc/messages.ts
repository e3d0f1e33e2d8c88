import type { Effects, FlowStats, GraphJson } from "penguiflow";
import type { Finding } from "penguiflow/lint";
import type {
  Attachment,
  CancelReport,
  MemoryEdit,
  MemoryView,
  Overlay,
  ToolsView,
} from "@penguiflow/playground/protocol";

/** A flow of the project, as its process describes it. */
export interface LoadedFlow {
  readonly name: string;
  readonly exported: string | undefined;
  readonly kind: "flow" | "planner";
  readonly takesText: boolean;
  readonly isDurable: boolean;
  readonly graph: GraphJson;
  readonly findings: readonly Finding[];
  readonly inputSchema: unknown;
  readonly mermaid: string;
}

/** Settings of the project that its process must be started with. */
export interface DevSettings {
  readonly execArgv: readonly string[];
  readonly origins: readonly string[];
}

/** A pause that waits for an answer, with the token that answers it. */
export interface OpenTicket {
  /** Names the pause, and cannot answer it. */
  readonly id: string;
  readonly token: string;
  readonly runId: string;
  readonly tenant: string;
  readonly node: string;
  readonly path: readonly string[];
  readonly kind: "approval" | "input" | "sign-in" | "pause";
  readonly reason: string;
  readonly payload: unknown;
  readonly tool?: string | undefined;
  readonly args?: unknown;
  readonly callId?: string | undefined;
  readonly effects?: Effects | undefined;
  readonly schema?: unknown;
  readonly expiresAt?: number | undefined;
}

/** A fault of the project's code, before the lines around it are read. */
export type Fault = Omit<Overlay, "at" | "frame" | "hasGoodCode">;

/** Messages of the project's process. */
export type FromChild =
  | { readonly type: "settings"; readonly settings: DevSettings; readonly secrets: readonly Secret[] }
  /** Absolute paths of files that it has imported, or tried to. */
  | { readonly type: "imports"; readonly files: readonly string[] }
  /** `entry` is the file that exports the flows, relative to the project. `flows` tells of another flow that the project runs. */
  | { readonly type: "ready" | "flows"; readonly flows: readonly LoadedFlow[]; readonly entry: string }
  | { readonly type: "broken"; readonly fault: Fault; readonly isMissing: boolean }
  /** An error that nothing has caught ends the process. */
  | { readonly type: "crashed"; readonly fault: Fault }
  /** `facts` is the JSON text of a list, its secrets masked. */
  | {
      readonly type: "facts";
      readonly facts: string;
      readonly skipped: number;
      readonly stats: readonly { readonly flow: string; readonly stats: FlowStats }[];
    }
  /** `tickets` is the JSON text of a list of {@link OpenTicket}, its secrets masked. */
  | { readonly type: "pauses"; readonly flow: string; readonly tickets: string }
  /** Memory of a thread in a planner's process. `items` is the JSON text of a list. */
  | { readonly type: "remembered"; readonly thread: string; readonly items: string }
  | { readonly type: "answer"; readonly id: number; readonly value: unknown }
  | {
      readonly type: "refusal";
      readonly id: number;
      readonly code: string;
      readonly message: string;
      readonly details?: unknown;
    };

/** A value that is masked wherever it would be kept or shown. */
export interface Secret {
  readonly name: string;
  readonly value: string;
}

/** A message of the supervisor: a question, answered under its id. */
export interface ToChild {
  readonly id: number;
  readonly ask: Ask;
}

/** A run to be started. */
export interface StartRun {
  readonly type: "start";
  readonly flow: string;
  readonly runId: string;
  readonly tenant: string;
  readonly input: unknown;
  readonly timeoutMs?: number | undefined;
  readonly thread?: string | undefined;
  readonly attachments?: readonly Attachment[] | undefined;
  /** The input as `writeValue` of penguiflow/durable writes it, in place of `input`. */
  readonly written?: string | undefined;
  /** The node to begin at, with its message as `input` or `written`, and that message's meta. */
  readonly from?: { readonly node: string; readonly meta?: Readonly<Record<string, unknown>> | undefined } | undefined;
  /** Items of the thread's memory, for a planner that keeps it in its process. */
  readonly remembered?: readonly unknown[] | undefined;
}

interface OfRun {
  readonly flow: string;
  readonly runId: string;
  readonly tenant: string;
}

/** Questions of the supervisor. */
export type Ask =
  | StartRun
  | ({ readonly type: "cancel" } & OfRun)
  | ({ readonly type: "steer"; readonly text: string } & OfRun)
  | ({ readonly type: "resume"; readonly token: string; readonly value: unknown } & OfRun)
  | { readonly type: "stats"; readonly flow: string }
  | { readonly type: "memory"; readonly flow: string; readonly tenant: string; readonly thread: string }
  /** Replaces an item of a thread's memory; without `edit`, removes it. */
  | {
      readonly type: "editMemory";
      readonly flow: string;
      readonly tenant: string;
      readonly thread: string;
      readonly at: number;
      readonly edit: MemoryEdit | undefined;
    }
  | { readonly type: "tools"; readonly flow: string }
  /** Ends the connections of a source of tools. */
  | { readonly type: "reconnect"; readonly flow: string; readonly source: string }
  | ({
      readonly type: "callTool";
      readonly tool: string;
      readonly args: unknown;
      readonly allowWrites: boolean;
    } & OfRun)
  | { readonly type: "agui"; readonly flow: string; readonly body: string }
  | { readonly type: "aguiNext"; readonly key: string }
  | { readonly type: "aguiLeave"; readonly key: string }
  | { readonly type: "drain"; readonly ms: number };

/** The beginning of an answer of AG-UI. */
export interface AguiAnswer {
  /** Names the answer, whose pieces are asked for. */
  readonly key: string;
  readonly status: number;
  readonly contentType: string;
}

/** Value of the answer to each question. */
export interface Answers {
  readonly start: null;
  readonly cancel: CancelReport;
  readonly steer: null;
  readonly resume: null;
  readonly stats: FlowStats | undefined;
  readonly memory: MemoryView;
  readonly editMemory: null;
  readonly tools: ToolsView;
  readonly reconnect: null;
  readonly callTool: null;
  readonly agui: AguiAnswer;
  readonly aguiNext: string | null;
  readonly aguiLeave: null;
  readonly drain: { readonly cancelled: number };
}
