import type { CallToolResult } from "@modelcontextprotocol/server";
import { MemoryError } from "../memory-error.ts";

/** Advice for the model, by code: what it can do about an error. */
const ADVICE: Readonly<Record<string, string>> = {
  NOT_FOUND: "Search for it: the id may be mistyped, or what it named was forgotten.",
  LEVEL_CONFLICT: "Its owner can change its level first.",
  KEY_REUSED: "Use another key: this one was used for another text.",
  TENANT_LIMIT: "Wait a moment, and send fewer requests at once.",
  OVERLOADED: "Wait a moment, and try again.",
  DEADLINE: "Try again with a shorter query.",
};

/**
 * Answers a call of a tool: what `work` returns as structured content, and in words for clients that read no other. An
 * error becomes a result that says what to do.
 */
export async function answering<Value extends Record<string, unknown>>(
  work: () => Promise<Value>,
  inWords: (value: Value) => string,
): Promise<CallToolResult> {
  try {
    const value = await work();
    return { content: [{ type: "text", text: inWords(value) }], structuredContent: value };
  } catch (error) {
    if (!(error instanceof MemoryError)) throw error;
    const { code, message } = error;
    const advice = ADVICE[code] ?? "";
    return { isError: true, content: [{ type: "text", text: `${code}: ${message}. ${advice}`.trim() }] };
  }
}
