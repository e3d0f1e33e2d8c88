/** `GET /api/tools` gives `ToolsView`. */
export interface ToolsView {
  readonly tools: readonly ToolView[];
  readonly sources: readonly SourceView[];
}

/** A tool of a planner. */
export interface ToolView {
  readonly name: string;
  readonly flow: string;
  /** `code`, or the name of its source. */
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

/**
 * A source that lists tools, such as an MCP server. `POST /api/sources/:name/reconnect` with `{ flow }` ends its
 * connections (204): the next list opens others.
 */
export interface SourceView {
  readonly name: string;
  readonly flow: string;
  /** `sign-in`: it needs the user to sign in. */
  readonly state: "listed" | "failed" | "sign-in";
  readonly error?: string;
  /** Tool whose call asks the user to sign in. */
  readonly signIn?: string;
}

/** `POST /api/tools/:name/call` gives `RunStarted`: the call goes through the planner's own policies. */
export interface ToolCall {
  readonly flow: string;
  readonly args: unknown;
  /** Confirms that a tool that writes may run. */
  readonly allowWrites?: boolean;
}
