import type { CallToolResult, ContentBlock } from "@modelcontextprotocol/server";
import type { ContentPart, PlanEnd, ToolOutput } from "@penguiflow/planner";
import { errorPayload, FinalAnswer, FlowError } from "penguiflow";

/**
 * Converts a value to the result that clients get. Text stays text, objects are structured content, too. The content of
 * a planner's tool (`{ kind: "content", parts }`) becomes texts, images, sounds and files.
 */
export function resultOf(value: unknown, hasSchema: boolean): CallToolResult {
  if (isContent(value)) return { content: value.parts.map(blockOf) };
  const end = value instanceof FinalAnswer ? value.text : value;
  // as it is on the wire: dates are text there, and `undefined` is left out
  const json: unknown = end === undefined ? undefined : JSON.parse(JSON.stringify(end));
  const content = [{ type: "text" as const, text: typeof json === "string" ? json : (JSON.stringify(json) ?? "") }];
  const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
  return json !== undefined && (hasSchema || isObject) ? { content, structuredContent: json } : { content };
}

function isContent(value: unknown): value is Extract<ToolOutput, { readonly kind: "content" }> {
  if (typeof value !== "object" || value === null) return false;
  const { kind, parts } = value as Partial<Extract<ToolOutput, { readonly kind: "content" }>>;
  return kind === "content" && Array.isArray(parts);
}

function blockOf(part: ContentPart): ContentBlock {
  if (part.type === "text") return { type: "text", text: part.text };
  const { mediaType: mimeType, data, filename = "file" } = part;
  if (mimeType.startsWith("image/")) return { type: "image", mimeType, data };
  if (mimeType.startsWith("audio/")) return { type: "audio", mimeType, data };
  return { type: "resource", resource: { uri: `file:///${encodeURIComponent(filename)}`, mimeType, blob: data } };
}

/** Key of a failure's code in the metadata of a result. */
const ERROR_KEY = "penguiflow/error";

/** Converts a failure to a result that the client's model reads, with its code in the metadata. */
export function failureOf(error: unknown): CallToolResult {
  const { code = "FAILED", message, retryable = false } = errorPayload(error);
  return failed(message, code, error instanceof FlowError && retryable);
}

/** Creates the result of a call that has failed. */
export function failed(text: string, code: string, retryable = false): CallToolResult {
  return { content: [{ type: "text", text }], isError: true, _meta: { [ERROR_KEY]: { code, retryable } } };
}

/** Returns the end of a planner's run, if a value is one. */
export function planEndOf(value: unknown): PlanEnd<unknown> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { status, steps, spent, runId } = value as Partial<PlanEnd<unknown>>;
  const isEnd = typeof status === "string" && typeof runId === "string" && Array.isArray(steps) && spent !== undefined;
  return isEnd ? (value as PlanEnd<unknown>) : undefined;
}

/** Converts a planner's end that is no success. */
export function failedPlan(end: Exclude<PlanEnd<unknown>, { readonly status: "completed" }>): CallToolResult {
  switch (end.status) {
    case "exhausted":
      return failed(
        `The planner has used up its budget of ${end.which}. ${end.text ?? ""}`.trimEnd(),
        "BUDGET_EXHAUSTED",
      );
    case "failed":
      return failed(errorPayload(end.error).message, end.code);
    case "cancelled":
      return failed("The run was cancelled", "TRACE_CANCELLED");
  }
}
