import type { ContentPart, Json, ToolOutput } from "@penguiflow/planner";
import type { Tool as AiTool } from "ai";

/** A result as a tool of the AI SDK shows it to the model. */
export type AiToolOutput = Awaited<ReturnType<NonNullable<AiTool["toModelOutput"]>>>;

/** Returns a value as JSON: what JSON lacks is left out or null. */
export function jsonOf(value: unknown): Json {
  return JSON.parse(JSON.stringify(value) ?? "null") as Json;
}

/** Shows a result as the AI SDK does by default: text as text, the rest as JSON. */
export function plainOutput(value: unknown): ToolOutput {
  return typeof value === "string" ? { kind: "text", text: value } : { kind: "json", value: jsonOf(value) };
}

/** Converts a result for a model of the AI SDK. */
export function toolOutputOf(output: AiToolOutput): ToolOutput {
  switch (output.type) {
    case "text":
      return { kind: "text", text: output.value };
    case "json":
      return { kind: "json", value: jsonOf(output.value) };
    case "error-text":
      return { kind: "error", code: "TOOL_FAILED", text: output.value };
    case "error-json":
      return { kind: "error", code: "TOOL_FAILED", text: JSON.stringify(output.value) };
    case "execution-denied":
      return { kind: "denied", reason: output.reason ?? "The tool has denied it" };
    case "content":
      return { kind: "content", parts: output.value.map(partOf) };
  }
}

type AiFile = Extract<AiContentPart, { readonly type: "file" }>;

/** Whether a part is a file. The forms that the AI SDK has given up are passed on as JSON. */
function isFile(part: { readonly type: string }): part is AiFile {
  return part.type === "file";
}

type AiContentPart = Extract<AiToolOutput, { readonly type: "content" }>["value"][number];

function partOf(part: AiContentPart): ContentPart {
  if ("text" in part) return { type: "text", text: part.text };
  if (!isFile(part)) return { type: "text", text: JSON.stringify(part) };
  const { data, mediaType, filename } = part;
  const bytes = data.type === "text" ? Buffer.from(data.text) : data.type === "data" ? data.data : undefined;
  // a file elsewhere stays a reference
  if (bytes === undefined) return { type: "text", text: JSON.stringify({ mediaType, ...data }) };
  const base64 = typeof bytes === "string" ? bytes : Buffer.from(bytes as Uint8Array).toString("base64");
  return { type: "file", mediaType, data: base64, ...(filename !== undefined && { filename }) };
}

/** Converts a tool's result of a planner for a model of the AI SDK. */
export function textOf(output: ToolOutput): string {
  switch (output.kind) {
    case "denied":
      return output.reason;
    case "json":
      return JSON.stringify(output.value);
    case "content":
      return output.parts.map((part) => (part.type === "text" ? part.text : `[${part.mediaType}]`)).join("\n");
    case "text":
    case "error":
    case "unknown":
      return output.text;
  }
}
