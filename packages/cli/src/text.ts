import { styleText } from "node:util";
import type { Io } from "./io.ts";

/** Returns a text in a colour or weight, where results may have them. */
export function styled(io: Io, style: Parameters<typeof styleText>[0], text: string): string {
  return io.hasColour ? styleText(style, text, { validateStream: false }) : text;
}

/** Prints a value as JSON, as one line or readable. */
export function printJson(io: Io, value: unknown, isLine = false): void {
  io.out(`${JSON.stringify(value, undefined, isLine ? undefined : 2)}\n`);
}

/** Returns a value as a person reads it: text as it is, all else as JSON. */
export function readable(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value, undefined, 2) ?? String(value));
}

/** Returns JSON as its value, and any other text as it is. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Returns rows as columns that stand below each other. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>((most, row) => row.map((cell, at) => Math.max(most[at] ?? 0, cell.length)), []);
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd(widths[at]!))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** Returns a number of things, with the noun in its form. */
export function counted(number: number, noun: string, many = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : many}`;
}
