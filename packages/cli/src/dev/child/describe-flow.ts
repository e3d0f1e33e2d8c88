import { flowToMermaid, graphToJson } from "penguiflow";
import { lintFlow } from "penguiflow/lint";
import type { LoadedFlow } from "../ipc/messages.ts";
import type { ShownFlow } from "./running-flow.ts";

/** A schema that may describe itself. */
interface Described {
  readonly "~standard"?: {
    readonly jsonSchema?: { readonly input?: (options: { readonly target: string }) => unknown };
  };
}

/** Describes a flow for the pages. */
export function describeFlow({ name, exported, flow, planner }: ShownFlow): LoadedFlow {
  const entries = flow.graph.vertices.filter(({ isIngress }) => isIngress).map(({ node }) => node);
  const inputSchema =
    planner !== undefined ? { type: "string" } : entries.length === 1 ? schemaOf(entries[0]?.input) : undefined;
  return {
    name,
    exported,
    kind: planner === undefined ? "flow" : "planner",
    takesText:
      planner !== undefined ||
      (inputSchema === undefined
        ? entries.every(({ handler, style }) => !takesFields(handler, style))
        : (inputSchema as { readonly type?: unknown }).type === "string"),
    isDurable: flow.outlastsProcess,
    graph: graphToJson(flow),
    findings: lintFlow(flow),
    inputSchema,
    mermaid: flowToMermaid(flow),
  };
}

/** Returns the JSON Schema of an input, if its schema gives one. */
function schemaOf(schema: unknown): unknown {
  const describe = (schema as Described | undefined)?.["~standard"]?.jsonSchema?.input;
  try {
    return describe?.({ target: "draft-2020-12" });
  } catch {
    return undefined;
  }
}

/** Whether a handler takes its payload apart by names, so that it is no text. */
function takesFields(handler: unknown, style: string): boolean {
  return style === "payload" && /^(?:async\s*)?(?:function\s*\w*\s*)?\(\s*\{/.test(String(handler));
}
