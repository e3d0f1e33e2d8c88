import type { Tool as ServerTool } from "@modelcontextprotocol/client";
import type { Approval, Caller, Checked, Effects, Json, Tool, ToolContext, ToolOutput } from "@penguiflow/planner";
import type { Schema } from "penguiflow";
import { problemOf, schemaOf } from "./json-schemas.ts";
import type { McpToolSettings } from "./mcp-tools-options.ts";

/** A tool of an MCP server. */
export interface McpTool extends Tool {
  /** Digest of the server's name, description and input schema. It changes when one of them does. */
  readonly digest: string;
  /** The server's name of the tool. */
  readonly serverName: string;
}

/** Parts of a tool of a source. */
export interface ServerToolInit {
  /** The name that the model uses. */
  readonly name: string;
  readonly tool: ServerTool;
  readonly digest: string;
  readonly settings: McpToolSettings;
  /** Whether the tool is another than the one this caller has used. */
  readonly isChanged: (caller: Caller) => Promise<boolean>;
  readonly run: (args: Readonly<Record<string, unknown>>, ctx: ToolContext<never>) => Promise<ToolOutput>;
}

/** Creates a tool of a source. */
export function serverTool({ name, tool, digest, settings, isChanged, run }: ServerToolInit): McpTool {
  const effects = effectsOf(tool, settings.effects ?? "writes");
  let input: Schema | undefined;
  return {
    name,
    serverName: tool.name,
    digest,
    description: descriptionOf(tool),
    inputSchema: tool.inputSchema,
    ...(settings.secrets !== undefined && { secrets: settings.secrets }),
    effects,
    approval: approvalOf(settings.approval ?? false, isChanged),
    timeoutMs: settings.timeoutMs ?? 30_000,
    maxRetries: settings.maxRetries ?? (effects === "writes" ? 0 : 2),
    ifUnknown: settings.ifUnknown ?? "tell",
    maxResultChars: settings.maxResultChars ?? 20_000,
    async check(args: Json): Promise<Checked> {
      if (typeof args !== "object" || args === null || Array.isArray(args))
        return { ok: false, problem: "the arguments must be an object" };
      try {
        input ??= schemaOf(tool.inputSchema);
      } catch {
        // a dialect that cannot be checked here: the server checks, too
        return { ok: true, value: args };
      }
      const problem = await problemOf(input, args);
      return problem === undefined ? { ok: true, value: args } : { ok: false, problem };
    },
    run: async (args, ctx) => await run(args as Readonly<Record<string, unknown>>, ctx),
  };
}

/** Returns what the model is told about a tool. */
export function descriptionOf({ description, title, annotations }: ServerTool): string {
  return description ?? title ?? annotations?.title ?? "";
}

/** Determines the effects of a tool: those set by the program, or the server's if these are stricter. */
function effectsOf({ annotations }: ServerTool, own: Effects): Effects {
  // a hint that was left out says nothing, whatever the protocol takes for its default
  if (own === "writes" || annotations?.readOnlyHint !== false) return own;
  return annotations.idempotentHint === true ? "idempotent" : "writes";
}

function approvalOf(own: Approval<never>, isChanged: (caller: Caller) => Promise<boolean>): Approval<never> {
  const asks = (args: never, caller: Caller): boolean | Promise<boolean> => {
    if (typeof own === "boolean") return own;
    if (typeof own === "function") return own(args, caller);
    return own.when === undefined || own.when(args, caller);
  };
  return {
    ...(typeof own === "object" ? own : {}),
    when: async (args, caller) => (await isChanged(caller)) || (await asks(args, caller)),
  };
}
