import type { Kept } from "../ipc/fact.ts";

/** Characters of a value that stands in one line. */
const MAX_LINE = 70;

/** Returns a value as source code. */
export function literal(value: unknown): string {
  const line = JSON.stringify(value) ?? "undefined";
  return line.length <= MAX_LINE ? line : (JSON.stringify(value, undefined, 2) ?? "undefined");
}

/** Returns a kept value as source code that makes exactly that value; `undefined` if it was not kept whole. */
export function keptLiteral(kept: Kept | undefined): string | undefined {
  if (kept === undefined || "cut" in kept || kept.written === undefined) return undefined;
  return kept.written === true ? literal(kept.value) : `readValue(${JSON.stringify(kept.written)})`;
}

/** Indents all lines of a text but the first. */
export function indented(text: string, by: string): string {
  return text.replaceAll("\n", `\n${by}`);
}
