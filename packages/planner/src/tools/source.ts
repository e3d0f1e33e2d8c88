import type { Caller } from "../plan/caller.ts";
import type { Tool } from "./tool.ts";

/** A request for the tools of a source. */
export interface ListRequest {
  readonly caller: Caller;
  /** The value of the planner's `credentials` for this caller and source. */
  readonly credential: unknown;
  readonly signal: AbortSignal;
}

/** Tools that share a limit and a way to sign in. A port: an MCP server, an OpenAPI document, a list of tools. */
export interface ToolSource {
  /** Prefix of its tools' names: `gh` makes `gh_search`. Empty for none. */
  readonly name: string;
  /** Calls at the same time, of all runs and planners together; with `perCaller`, of each planner. @defaultValue 8 */
  readonly concurrency?: number | undefined;
  /** Calls at the same time of one caller (tenant and user). @defaultValue none */
  readonly perCaller?: number | undefined;
  /**
   * Owner of the credential that a call needs. With `"user"` and none the run asks the user to sign in.
   *
   * @defaultValue `"never"`
   */
  readonly signsIn?: "never" | "service" | "user" | undefined;
  /** The tools, if they are the same for every caller and never change: `list` is not called then. */
  readonly tools?: readonly Tool[] | undefined;
  /**
   * The tools of a caller. Called when a run begins, where a failure makes its tools unavailable for that run, and again
   * in each step and for each call: keep what is dear to make.
   */
  list(request: ListRequest): Promise<readonly Tool[]>;
  /** Gives the question of a sign-in: a URL that the user opens. @defaultValue no way to sign in */
  signIn?(caller: Caller, signal: AbortSignal): Promise<{ readonly url: string }>;
  /**
   * Calls `told` when its tools may be others than before, until the returned function is called. Runs need no telling:
   * each model call has the tools of `list` at its begin.
   *
   * @defaultValue it does not tell
   */
  onChange?(told: () => void): () => void;
  /** Ends its connections; the next use of it opens others. @defaultValue it has none */
  reconnect?(): Promise<void>;
  /** Ends its connections for good. Called by its owner: a planner closes no source, as others may use it. */
  close?(): Promise<void>;
}
