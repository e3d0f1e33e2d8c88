import type {
  Approval,
  Caller,
  Checked,
  Effects,
  Json,
  JsonSchema,
  Tool,
  ToolContext,
  ToolOutput,
  ToolSource,
} from "@penguiflow/planner";
import { asSchema, type Schema, type Tool as AiTool, type ToolSet } from "ai";
import { requireKnownKeys, requireOneOf } from "penguiflow/adapter";
import { jsonOf, plainOutput, toolOutputOf } from "./tool-output.ts";

/** Settings of one tool that differ from the defaults. */
export interface AiToolSettings {
  readonly effects?: Effects | undefined;
  /** Names of arguments that are neither stored nor shown, as `secrets` of a planner's tool. @defaultValue none */
  readonly secrets?: readonly string[] | undefined;
  /** @defaultValue the tool's own `needsApproval` */
  readonly approval?: Approval<never> | undefined;
  /** @defaultValue 30_000 */
  readonly timeoutMs?: number | undefined;
  /** @defaultValue 2; 0 for a tool that writes */
  readonly maxRetries?: number | undefined;
  /** @defaultValue 20_000 */
  readonly maxResultChars?: number | undefined;
}

/** Options of {@link fromAiTools}. */
export interface FromAiToolsOptions {
  /** Effects of a call on the world, for all tools that `settings` do not name. The AI SDK does not know it. */
  readonly effects: Effects;
  /** Settings by name of the tool. @defaultValue none */
  readonly settings?: Readonly<Record<string, AiToolSettings>> | undefined;
  /** Makes the `context` that tools with a `contextSchema` expect. @defaultValue `undefined` */
  readonly context?: ((given: { readonly caller: Caller; readonly credential: unknown }) => unknown) | undefined;
  /** Calls at the same time, of all runs together. @defaultValue 8 */
  readonly concurrency?: number | undefined;
  /** Calls at the same time of one caller. @defaultValue none */
  readonly perCaller?: number | undefined;
  /** The owner of the credential that `context` needs. @defaultValue `"never"` */
  readonly signsIn?: ToolSource["signsIn"];
}

const OPTIONS = ["effects", "settings", "context", "concurrency", "perCaller", "signsIn"];
const SETTINGS = ["effects", "secrets", "approval", "timeoutMs", "maxRetries", "maxResultChars"];
const EFFECTS = ["reads", "idempotent", "writes"];

/**
 * Makes tools of the AI SDK the tools of a source. They run under the planner's gate: the AI SDK checks their arguments
 * and runs them, the runtime decides when, how often and after whose approval.
 *
 * @param name - prefix of the tools' names; empty for none
 * @throws TypeError for an unknown option, a setting of no tool, and a tool that the AI SDK cannot run by itself
 */
export function fromAiTools(name: string, set: ToolSet, options: FromAiToolsOptions): ToolSource {
  requireOptions(name, set, options);
  const { concurrency, perCaller, signsIn, context = () => undefined } = options;
  // planners list tools in each step: a schema keeps its JSON Schema once it is made
  const known = Object.entries(set).map(([own, tool]): KnownTool => {
    return { name: own, tool: tool as AiTool, schema: asSchema<unknown>(tool.inputSchema) };
  });
  return {
    name,
    concurrency,
    perCaller,
    signsIn,
    list: async ({ caller, credential }) =>
      await Promise.all(known.map(async (each) => await adapted(each, options, context({ caller, credential })))),
  };
}

interface KnownTool {
  readonly name: string;
  readonly tool: AiTool;
  readonly schema: Schema;
}

async function adapted(
  { name, tool, schema }: KnownTool,
  { effects, settings = {}, context = () => undefined }: FromAiToolsOptions,
  listContext: unknown,
): Promise<Tool> {
  const own = settings[name] ?? {};
  const kind = own.effects ?? effects;
  return {
    name,
    description: descriptionOf(tool, listContext),
    inputSchema: (await schema.jsonSchema) as JsonSchema,
    ...(own.secrets !== undefined && { secrets: own.secrets }),
    effects: kind,
    approval: own.approval ?? approvalOf(tool, (caller) => context({ caller, credential: undefined })),
    timeoutMs: own.timeoutMs ?? 30_000,
    maxRetries: own.maxRetries ?? (kind === "writes" ? 0 : 2),
    ifUnknown: "tell",
    maxResultChars: own.maxResultChars ?? 20_000,
    check: async (args: Json): Promise<Checked> => {
      // a schema without a check of its own accepts everything, as in the AI SDK
      const checked = (await schema.validate?.(args)) ?? { success: true, value: args };
      return checked.success ? { ok: true, value: checked.value } : { ok: false, problem: checked.error.message };
    },
    run: async (args: unknown, ctx: ToolContext<never>): Promise<ToolOutput> => {
      const { caller, credential, callId, signal } = ctx;
      const given = {
        ...{ toolCallId: callId, messages: [], abortSignal: signal },
        context: context({ caller, credential }),
      };
      const output = await lastOf(tool.execute?.(args, given), ctx);
      if (tool.toModelOutput === undefined) return plainOutput(output);
      return toolOutputOf(await tool.toModelOutput({ toolCallId: callId, input: args, output }));
    },
  };
}

/** Awaits a result. Of several, as a generator yields them, all but the last are progress. */
async function lastOf(result: unknown, ctx: ToolContext<never>): Promise<unknown> {
  if (!isIterable(result)) return await result;
  let last: { readonly value: unknown } | undefined;
  for await (const value of result) {
    if (last !== undefined) await ctx.progress(jsonOf(last.value));
    last = { value };
  }
  return last?.value;
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

function descriptionOf({ description }: AiTool, context: unknown): string {
  return (typeof description === "function" ? description({ context }) : description) ?? "";
}

/** Keeps the approval that a tool asks for by itself. */
function approvalOf(tool: AiTool, contextOf: (caller: Caller) => unknown): Approval<never> {
  // the AI SDK has moved approvals elsewhere, and still honours these
  // oxlint-disable-next-line typescript/no-deprecated
  const { needsApproval = false } = tool;
  if (typeof needsApproval === "boolean") return needsApproval;
  return async (args: unknown, caller: Caller) =>
    await needsApproval(args, { toolCallId: "", messages: [], context: contextOf(caller) });
}

function requireOptions(name: string, set: ToolSet, options: FromAiToolsOptions): void {
  requireKnownKeys("fromAiTools", options, OPTIONS);
  requireOneOf("effects", options.effects, EFFECTS);
  for (const [tool, settings] of Object.entries(options.settings ?? {})) {
    if (!Object.hasOwn(set, tool))
      throw new TypeError(`Cannot set "${tool}" of tools "${name}": expected one of ${quoted(Object.keys(set))}`);
    requireKnownKeys(`the settings of "${tool}"`, settings, SETTINGS);
  }
  for (const [own, tool] of Object.entries(set)) {
    if (!/^[\w-]{1,64}$/.test(own))
      throw new TypeError(`The name of a tool must be 1 to 64 of A-Z a-z 0-9 _ -: got "${own}"`);
    if (typeof tool.execute !== "function")
      throw new TypeError(`Cannot run tool "${own}" of "${name}": it has no "execute"; its client or provider runs it`);
  }
}

function quoted(names: readonly string[]): string {
  return names.map((one) => `"${one}"`).join(", ");
}
