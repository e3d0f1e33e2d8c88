import type { FlowStats, GraphJson } from "penguiflow";
import type { Finding } from "penguiflow/lint";

/** `GET /api/project` */
export interface ProjectView {
  readonly name: string;
  /** Absolute path of the project's folder; absent in a read-only view of a state store. */
  readonly root?: string;
  readonly versions: { readonly penguiflow: string; readonly cli: string; readonly node: string };
  readonly flows: readonly FlowSummary[];
  /** `"starting"` until the first code is loaded; `"broken"` while the newest code does not load. */
  readonly state: "starting" | "ready" | "broken";
  readonly reload?: Reload;
  readonly overlay?: Overlay;
  /** Whether the pages may change anything; a state store is only read. */
  readonly isReadOnly: boolean;
}

/** A flow or planner of the project, in short. */
export interface FlowSummary {
  readonly name: string;
  readonly kind: "flow" | "planner";
  /** Name of its export; absent for a flow that the project started by itself. */
  readonly exported?: string;
  /** Whether its input is a text, so that it can be chatted with. */
  readonly takesText: boolean;
  readonly isDurable: boolean;
  readonly nodeCount: number;
  readonly findingCount: number;
  readonly openPauses: number;
  /** Number of messages that wait at its entry; absent while that is open. */
  readonly held?: number | undefined;
}

/** The last time that code was loaded. */
export interface Reload {
  readonly at: number;
  /** Milliseconds from the save to the code being usable. */
  readonly ms: number;
  /** Files whose change caused it, relative to the project; empty at the start. */
  readonly files: readonly string[];
  /** Number of the code, from 1. */
  readonly generation: number;
  /** Runs of the old code that go on until they end, or are cancelled after 5 s. */
  readonly draining: number;
  /** Open questions that ended with the old code, since their flows are not durable. */
  readonly lostQuestions: number;
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
  /** Messages of the errors that caused it, outermost first. */
  readonly causes: readonly string[];
  /** Whether an earlier version of the code answers meanwhile. */
  readonly hasGoodCode: boolean;
}

/** `GET /api/flows/:flow`; `GET /api/flows` gives `FlowSummary[]`. */
export interface FlowView extends FlowSummary {
  readonly graph: GraphJson;
  readonly findings: readonly Finding[];
  /** JSON Schema of the input of its entry nodes, if known. */
  readonly inputSchema?: unknown;
  /** Present while it runs. */
  readonly stats?: FlowStats;
  readonly mermaid: string;
}

/** `GET /api/lint` gives `LintView[]`. */
export interface LintView {
  readonly flow: string;
  readonly findings: readonly Finding[];
}

/** `POST /api/open`: opens a file of the project in the editor. Answers 204. */
export interface OpenFile {
  /** Relative to the project. */
  readonly file: string;
  readonly line?: number;
}

/** `GET /api/drafts/:key` and `PUT /api/drafts/:key`: half-written forms, which outlast a reload. `null` removes one. */
export interface Draft {
  readonly value: unknown;
}
