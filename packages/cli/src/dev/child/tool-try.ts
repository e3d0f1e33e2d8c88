import { randomUUID } from "node:crypto";
import type { Planner, Tool } from "@penguiflow/planner";
import type { ToolsView, ToolView } from "@penguiflow/playground/protocol";
import type { AnyPlanner } from "../../project/find-flows.ts";
import { PERSON } from "./person.ts";
import { Refusal } from "./refusal.ts";

/** A call of a tool that a page asks for. */
export interface ToolWish {
  readonly tool: string;
  readonly args: unknown;
  readonly allowWrites: boolean;
}

type Model = Parameters<Planner["withModel"]>[0];
type Answer = Awaited<ReturnType<Model["doGenerate"]>>;

/** Milliseconds for the sources of a planner to list their tools. */
const LIST_MS = 10_000;

/**
 * Makes a model that calls one tool once, and then has nothing to add.
 *
 * @throws Refusal `TOOL_UNKNOWN`, `WRITES_UNCONFIRMED`
 */
export async function modelThatCalls(
  planner: AnyPlanner,
  tenant: string,
  { tool, args, allowWrites }: ToolWish,
): Promise<Model> {
  const { tools } = await planner.tools({ tenant, user: PERSON }, AbortSignal.timeout(LIST_MS));
  const found = tools.find((one) => one.tool.name === tool)?.tool;
  if (found === undefined) throw new Refusal("TOOL_UNKNOWN", `Planner "${planner.name}" has no tool "${tool}"`);
  if (found.effects === "writes" && !allowWrites)
    throw new Refusal("WRITES_UNCONFIRMED", `Tool "${tool}" writes: confirm it`, { tools: [tool] });
  const call = {
    type: "tool-call" as const,
    toolCallId: randomUUID(),
    toolName: tool,
    input: JSON.stringify(args ?? {}),
  };
  let calls = 0;
  const answer = (): Answer => {
    calls += 1;
    return {
      content: calls === 1 ? [call] : [{ type: "text", text: `${tool} was called.` }],
      finishReason: { unified: calls === 1 ? "tool-calls" : "stop", raw: undefined },
      usage: {
        inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
        outputTokens: { total: 0, text: 0, reasoning: 0 },
      },
      warnings: [],
    };
  };
  return {
    specificationVersion: "v4",
    provider: "playground",
    modelId: "one-call",
    supportedUrls: {},
    doGenerate: () => Promise.resolve(answer()),
    doStream: () => {
      const { content, finishReason, usage } = answer();
      const [part] = content;
      const parts = part?.type === "text" ? textParts(part.text) : [call];
      const all = [
        { type: "stream-start" as const, warnings: [] },
        ...parts,
        { type: "finish" as const, finishReason, usage },
      ];
      return Promise.resolve({ stream: ReadableStream.from(all) });
    },
  };
}

function textParts(text: string) {
  return [
    { type: "text-start" as const, id: "1" },
    { type: "text-delta" as const, id: "1", delta: text },
    { type: "text-end" as const, id: "1" },
  ];
}

/** Describes a planner's tools, with the state of its sources. */
export async function toolsOf(planner: AnyPlanner, tenant: string): Promise<ToolsView> {
  const { tools, sources } = await planner.tools({ tenant, user: PERSON }, AbortSignal.timeout(LIST_MS));
  const { name: flow } = planner;
  const names = new Set(tools.map(({ tool }) => tool.name));
  return {
    tools: tools.map(({ tool, source }) => viewOf(tool, flow, source)),
    sources: sources.map(({ name, state, reason }) => {
      const signIn = `${name}_sign_in`;
      return {
        name,
        flow,
        state,
        ...(reason !== undefined && { error: reason }),
        ...(state === "sign-in" && names.has(signIn) && { signIn }),
      };
    }),
  };
}

function viewOf({ name, description, inputSchema, effects, approval }: Tool, flow: string, source: string): ToolView {
  return {
    name,
    flow,
    source: source === "" ? "code" : source,
    description,
    inputSchema,
    effects,
    approval: approvalText(approval),
    calls: 0,
    errors: 0,
  };
}

function approvalText(approval: Tool["approval"]): string {
  if (typeof approval === "boolean") return approval ? "always" : "never";
  if (typeof approval === "function") return "by its arguments";
  const { when, expiresInMs } = approval as { readonly when?: unknown; readonly expiresInMs?: number };
  const asked = when === undefined ? "always" : "by its arguments";
  return expiresInMs === undefined ? asked : `${asked}, within ${Math.round(expiresInMs / 1_000)} s`;
}
