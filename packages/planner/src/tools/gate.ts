import type { Caller } from "../plan/caller.ts";
import type { Json } from "../plan/json.ts";
import { argsOf } from "../plan/projection.ts";
import type { Policy } from "../plan/policy.ts";
import type { ToolErrorCode, ToolOutput } from "../plan/tool-output.ts";
import { verdictOf } from "../plan/verdict.ts";
import type { Abortable, Catalogue, ListedTool, Listing } from "./catalogue.ts";
import { clamped, type Keep } from "./clamp.ts";
import { digestOf } from "./digest.ts";
import type { Approval, ToolContext } from "./tool.ts";

/** The caller of a tool, and the planners on the way down to it. */
export interface GateCaller {
  readonly caller: Caller;
  readonly path: readonly string[];
}

/** A call that the model asks for. */
export interface AskedCall {
  readonly tool: string;
  /** JSON text as the model wrote it. */
  readonly input: string;
}

/** A call that may go on: at once, or when a person has approved it for a reason. */
export interface Admitted {
  readonly listed: ListedTool;
  readonly args: Json;
  readonly digest: string;
  readonly asks?: string | undefined;
}

/** The end of a call that does not run. `stop` ends the whole run. */
export interface Refused {
  readonly output: ToolOutput;
  readonly stop?: string | undefined;
}

/** Makes a result that says what went wrong. */
export function errorOutput(code: ToolErrorCode, text: string): ToolOutput {
  return { kind: "error", code, text };
}

/**
 * The only way to a tool: list → known → fits → policy → approval → budget → credential → run → fits → clamp → policy.
 * `admit` goes up to the approval, for all calls of a turn before the first one begins; `admitArgs` does it again for
 * what a person has changed or let wait; `finish` does what follows the run. Budget, person and credential belong to
 * the nodes of the flow, which can wait.
 */
export class Gate {
  readonly #catalogue: Catalogue;
  readonly #policies: readonly Policy[];

  constructor(catalogue: Catalogue, policies: readonly Policy[]) {
    this.#catalogue = catalogue;
    this.#policies = policies;
  }

  /** Lists the tools that a caller may see. */
  async visible({ caller, path }: GateCaller, unavailable: readonly string[], owner: Abortable): Promise<Listing> {
    const listing = await this.#catalogue.list(caller, unavailable, owner);
    if (this.#policies.length === 0) return listing;
    const tools = new Map<string, ListedTool>();
    for (const [name, listed] of listing.tools) {
      const verdict = await verdictOf(this.#policies, { at: "list", tool: listed.info, caller, path });
      if (verdict === "allow" || verdict === "ask" || "replace" in verdict) tools.set(name, listed);
    }
    return { ...listing, tools };
  }

  /** Decides about a call of the model. `known` are the digests of the tools when the run began. */
  async admit(
    who: GateCaller,
    asked: AskedCall,
    listing: Listing,
    known: Readonly<Record<string, string>>,
  ): Promise<Admitted | Refused> {
    const listed = listing.tools.get(asked.tool);
    if (listed === undefined) return { output: missing(asked.tool, listing) };
    const args = argsOf(asked.input);
    if (typeof args === "string")
      return { output: errorOutput("ARGUMENTS_INVALID", `The arguments are no JSON: ${args.slice(0, 200)}`) };
    const refused = await this.admitArgs(who, listed, args);
    if (refused !== undefined && refused.asks === undefined) return refused;
    const digest = await this.digestOf(listed);
    const before = known[asked.tool];
    const hasChanged = before !== undefined && before !== digest;
    const asks =
      refused?.asks ??
      (hasChanged ? `The description of "${asked.tool}" has changed` : await approvalOf(who, listed, args));
    return { listed, args, digest, ...(asks !== undefined && { asks }) };
  }

  /** Decides about checked or changed arguments. Returns nothing where they may go on. */
  async admitArgs(
    { caller, path }: GateCaller,
    { tool, info }: ListedTool,
    args: Json,
  ): Promise<(Refused & { readonly asks?: string }) | undefined> {
    const checked = await tool.check(args);
    if (!checked.ok)
      return { output: errorOutput("ARGUMENTS_INVALID", `The arguments do not fit: ${checked.problem}`) };
    const verdict = await verdictOf(this.#policies, { at: "call", tool: info, args, caller, path });
    if (verdict === "allow") return undefined;
    if (verdict === "ask") return { output: denied("a policy asks"), asks: `A policy asks about "${tool.name}"` };
    if ("deny" in verdict) return { output: denied(verdict.deny) };
    return "stop" in verdict ? { output: denied(verdict.stop), stop: verdict.stop } : undefined;
  }

  /** Returns the digest of what the model is told of a tool. Tools that never change need none. */
  async digestOf({ tool, source }: ListedTool): Promise<string> {
    return source.tools === undefined ? await digestOf(tool) : "";
  }

  /** Runs a call whose arguments have been admitted. */
  async run({ tool }: ListedTool, args: Json, ctx: ToolContext<never>): Promise<ToolOutput> {
    const checked = await tool.check(args);
    if (!checked.ok) return errorOutput("ARGUMENTS_INVALID", `The arguments do not fit: ${checked.problem}`);
    return await tool.run(checked.value, ctx);
  }

  /** Shortens a result and shows it to the policies. */
  async finish({ caller }: GateCaller, { tool }: ListedTool, output: ToolOutput, keep?: Keep): Promise<Refused> {
    const short = await clamped(output, tool.maxResultChars, keep);
    const text = textOf(short);
    return text === undefined ? { output: short } : await this.#screen(caller, text, short);
  }

  /** Shows the text of an error to the policies: a tool that fails may tell as much as one that answers. */
  async finishError({ caller }: GateCaller, output: ToolOutput): Promise<Refused> {
    return output.kind === "error" ? await this.#screen(caller, output.text, output) : { output };
  }

  async #screen(caller: Caller, text: string, output: ToolOutput): Promise<Refused> {
    const verdict = await verdictOf(this.#policies, { at: "result", text, caller });
    if (verdict === "allow" || verdict === "ask") return { output };
    if ("replace" in verdict) {
      const replaced = verdict.replace;
      return { output: output.kind === "error" ? { ...output, text: replaced } : { kind: "text", text: replaced } };
    }
    return "deny" in verdict ? { output: denied(verdict.deny) } : { output: denied(verdict.stop), stop: verdict.stop };
  }
}

/** Makes the result of a call that a person or a policy has refused. */
export function denied(reason: string): ToolOutput {
  return { kind: "denied", reason };
}

/** Returns the reason for which a person is asked about a call, by its tool's own rule. */
async function approvalOf({ caller }: GateCaller, { tool }: ListedTool, args: Json): Promise<string | undefined> {
  const approval = tool.approval as Approval<unknown>;
  const rule = typeof approval === "object" ? (approval.when ?? true) : approval;
  if (rule === false) return undefined;
  const asks = rule === true || (await asksFor(rule, tool.check(args), caller));
  return asks ? `Approve "${tool.name}"` : undefined;
}

async function asksFor(
  rule: (args: unknown, caller: Caller) => boolean | Promise<boolean>,
  checking: ReturnType<ListedTool["tool"]["check"]>,
  caller: Caller,
): Promise<boolean> {
  const checked = await checking;
  if (!checked.ok) return true;
  try {
    return await rule(checked.value, caller);
  } catch {
    // a rule that fails has not allowed the call
    return true;
  }
}

function missing(name: string, { tools, unavailable }: Listing): ToolOutput {
  const source = unavailable.find((each) => name.startsWith(`${each}_`));
  if (source !== undefined)
    return errorOutput("TOOL_UNAVAILABLE", `"${name}" cannot be used now: its source "${source}" cannot be reached`);
  const names = [...tools.keys()].join(", ");
  return errorOutput("TOOL_UNKNOWN", `There is no tool "${name}"; there are: ${names === "" ? "none" : names}`);
}

/** Returns what a policy reads of a result. */
function textOf(output: ToolOutput): string | undefined {
  switch (output.kind) {
    case "text":
      return output.text;
    case "json":
      return JSON.stringify(output.value);
    case "content":
      return output.parts.map((part) => (part.type === "text" ? part.text : "")).join("\n");
    case "error":
    case "denied":
    case "unknown":
      return undefined;
  }
}
