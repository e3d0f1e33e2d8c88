import type { Caller } from "../plan/caller.ts";
import type { Json } from "../plan/json.ts";
import { argsOf } from "../plan/projection.ts";
import type { Policy } from "../plan/policy.ts";
import type { ToolErrorCode, ToolOutput } from "../plan/tool-output.ts";
import { verdictOf } from "../plan/verdict.ts";
import type { Abortable, Catalogue, ListedTool, Listing } from "./catalogue.ts";
import { clamped, type Keep } from "./clamp.ts";
import { digestOf } from "./digest.ts";
import { argumentWithoutValue } from "./secret-arguments.ts";
import type { Approval, Checked, ToolContext } from "./tool.ts";

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

/** A {@link Refused}, or the reason for which a person is asked. */
type AskedOrRefused = Refused & { readonly asks?: string };

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

  /** @throws TypeError for a source that the planner does not have */
  async reconnect(source: string): Promise<void> {
    await this.#catalogue.reconnect(source);
  }

  /** Calls `told` with the name of a source whose tools may have changed, until the returned function is called. */
  onToolsChange(told: (source: string) => void): () => void {
    return this.#catalogue.onChange(told);
  }

  /** The tools that every caller sees, if they never change and no policy decides about them. Nothing is asked for it. */
  get open(): Listing | undefined {
    return this.#policies.length === 0 ? this.#catalogue.fixed : undefined;
  }

  /** Lists the tools that a caller may see: at once if there is an `open` list. */
  visible(who: GateCaller, unavailable: readonly string[], owner: Abortable): Listing | Promise<Listing> {
    if (this.open !== undefined) return this.open;
    const listing = this.#catalogue.list(who.caller, unavailable, owner);
    return this.#policies.length === 0 ? listing : this.#screened(who, listing);
  }

  async #screened({ caller, path }: GateCaller, listings: Listing | Promise<Listing>): Promise<Listing> {
    const listing = await listings;
    const tools = new Map<string, ListedTool>();
    for (const [name, listed] of listing.tools) {
      const verdict = await verdictOf(this.#policies, { at: "list", tool: listed.info, caller, path });
      if (verdict === "allow" || verdict === "ask" || "replace" in verdict) tools.set(name, listed);
    }
    for (const [name, listed] of tools) {
      const tool = listed.tool.findsAmong?.((each) => tools.has(each));
      if (tool !== undefined) tools.set(name, { ...listed, tool: { ...tool, name } });
    }
    return { ...listing, tools };
  }

  /**
   * Decides about a call of the model: at once, unless there is more to it than a check of its arguments. `known` are the
   * digests of the tools when the run began.
   */
  admit(
    who: GateCaller,
    asked: AskedCall,
    listing: Listing,
    known: Readonly<Record<string, string>>,
  ): Admitted | Refused | Promise<Admitted | Refused> {
    const listed = listing.tools.get(asked.tool);
    if (listed === undefined) return { output: missing(asked.tool, listing) };
    const args = argsOf(asked.input);
    if (typeof args === "string") {
      const text = listed.tool.secrets === undefined ? `: ${args.slice(0, 200)}` : "";
      return { output: errorOutput("ARGUMENTS_INVALID", `The arguments are no JSON${text}`) };
    }
    const missingValue = argumentWithoutValue(listed.tool, args);
    if (missingValue !== undefined)
      return unfit(`${missingValue}: its value was not kept, give the value and not its place`);
    const checked = listed.tool.check(args);
    if (!this.#isPlain(listed) || checked instanceof Promise)
      return this.#considered(who, listed, args, checked, known[asked.tool]);
    return checked.ok ? { listed, args, digest: "" } : unfit(checked.problem);
  }

  /**
   * Admits a call at once, if nothing but its arguments has to be looked at. Returns nothing of one that is refused or
   * about which there is more to decide: `admit` says what.
   */
  admitAtOnce({ tool, input }: AskedCall, listing: Listing): Admitted | undefined {
    const listed = listing.tools.get(tool);
    if (listed === undefined || !this.#isPlain(listed)) return undefined;
    const args = argsOf(input);
    if (typeof args === "string" || argumentWithoutValue(listed.tool, args) !== undefined) return undefined;
    try {
      const checked = listed.tool.check(args);
      if (!(checked instanceof Promise)) return checked.ok ? { listed, args, digest: "" } : undefined;
      checked.catch(() => {});
    } catch {
      // it is called again where its error ends the run
    }
    return undefined;
  }

  /** Whether no policy, person or change of the tool has a say about its calls. */
  #isPlain(listed: ListedTool): boolean {
    return this.#policies.length === 0 && listed.tool.approval === false && isFixed(listed);
  }

  /** Decides about a call with policies, a person's rule and the digest that its tool had `before`. */
  async #considered(
    who: GateCaller,
    listed: ListedTool,
    args: Json,
    checking: Checked | Promise<Checked>,
    before: string | undefined,
  ): Promise<Admitted | Refused> {
    const refused = await this.#refusal(who, listed, args, await checking);
    if (refused !== undefined && refused.asks === undefined) return refused;
    const digest = await this.digestOf(listed);
    const hasChanged = before !== undefined && before !== digest;
    const asks =
      refused?.asks ??
      (hasChanged ? `The description of "${listed.tool.name}" has changed` : await approvalOf(who, listed, args));
    return { listed, args, digest, ...(asks !== undefined && { asks }) };
  }

  /** Decides about checked or changed arguments. Returns nothing where they may go on. */
  async admitArgs(who: GateCaller, listed: ListedTool, args: Json): Promise<AskedOrRefused | undefined> {
    return await this.#refusal(who, listed, args, await listed.tool.check(args));
  }

  async #refusal(
    { caller, path }: GateCaller,
    { tool, info }: ListedTool,
    args: Json,
    checked: Checked,
  ): Promise<AskedOrRefused | undefined> {
    if (!checked.ok) return unfit(checked.problem);
    const verdict = await verdictOf(this.#policies, { at: "call", tool: info, args, caller, path });
    if (verdict === "allow") return undefined;
    if (verdict === "ask") return { output: denied("a policy asks"), asks: `A policy asks about "${tool.name}"` };
    if ("deny" in verdict) return { output: denied(verdict.deny) };
    return "stop" in verdict ? { output: denied(verdict.stop), stop: verdict.stop } : undefined;
  }

  /** Returns the digest of what the model is told of a tool. Tools that never change need none. */
  digestOf(listed: ListedTool): string | Promise<string> {
    return isFixed(listed) ? "" : digestOf(listed.tool);
  }

  /** Runs a call whose arguments have been admitted. */
  run({ tool }: ListedTool, args: Json, ctx: ToolContext<never>): Promise<ToolOutput> {
    const run = (checked: Checked): Promise<ToolOutput> =>
      checked.ok ? tool.run(checked.value, ctx) : Promise.resolve(unfit(checked.problem).output);
    const checking = tool.check(args);
    return checking instanceof Promise ? checking.then(run) : run(checking);
  }

  /** Shortens a result and shows it to the policies; at once if it is short and there are none. */
  finish(who: GateCaller, { tool }: ListedTool, output: ToolOutput, keep?: Keep): Refused | Promise<Refused> {
    const short = clamped(output, tool.maxResultChars, keep);
    return this.#policies.length === 0 && !(short instanceof Promise) ? { output: short } : this.#shown(who, short);
  }

  async #shown({ caller }: GateCaller, shortening: ToolOutput | Promise<ToolOutput>): Promise<Refused> {
    const short = await shortening;
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

/** Whether a tool never changes, so that no digest has to tell. */
function isFixed({ source }: ListedTool): boolean {
  return source.tools !== undefined;
}

function unfit(problem: string): Refused {
  return { output: errorOutput("ARGUMENTS_INVALID", `The arguments do not fit: ${problem}`) };
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
