import type { Effects } from "../tools/tool.ts";
import type { Caller } from "./caller.ts";
import type { Json } from "./json.ts";

/** A tool as policies see it. */
export interface ToolInfo {
  /** The name that the model uses, with the prefix of its source. */
  readonly name: string;
  readonly source: string;
  readonly description: string;
  readonly effects: Effects;
}

/** A decision that a policy is asked for. Texts come whole, answers sentence by sentence. */
export type PolicyCall =
  | {
      readonly at: "list" | "call";
      readonly tool: ToolInfo;
      /** Checked arguments, at `call`. */
      readonly args?: Json | undefined;
      readonly caller: Caller;
      readonly path: readonly string[];
    }
  | { readonly at: "prompt" | "result" | "answer"; readonly text: string; readonly caller: Caller };

/**
 * Decision of a policy. Of several policies the strictest verdict wins: `stop`, `deny`, `ask`, `replace`, `allow`. A
 * policy that throws denies.
 */
export type Verdict =
  | "allow"
  | "ask"
  | { readonly deny: string }
  | { readonly replace: string }
  | { readonly stop: string };

/** Decides about lists of tools, calls, prompts, results and answers. */
export type Policy = (call: PolicyCall) => Verdict | Promise<Verdict>;
