import type { SqlRow } from "./sql.ts";

/** Reads a text column. */
export function text(row: SqlRow, column: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw new TypeError(`Column "${column}" must be text: got ${typeof value}`);
}

/** Reads a text column that may be NULL. */
export function maybeText(row: SqlRow, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

/** Reads a number column. */
export function number(row: SqlRow, column: string): number {
  const value = row[column];
  if (typeof value === "number") return value;
  throw new TypeError(`Column "${column}" must be a number: got ${typeof value}`);
}

/** Reads a number column that may be NULL. */
export function maybeNumber(row: SqlRow, column: string): number | undefined {
  return row[column] === null ? undefined : number(row, column);
}

/** Reads a column of bytes. */
export function bytes(row: SqlRow, column: string): Uint8Array {
  const value = row[column];
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`Column "${column}" must be bytes: got ${typeof value}`);
}

/** Reads one of a fixed list of words. */
export function oneOf<const Word extends string>(row: SqlRow, column: string, words: readonly Word[]): Word {
  const value = row[column];
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  throw new TypeError(`Column "${column}" must be one of ${words.join(", ")}: got ${String(value)}`);
}
