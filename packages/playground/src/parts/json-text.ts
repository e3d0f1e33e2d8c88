/** Writes a value in one line, shortened to a number of characters. */
export function oneLine(value: unknown, length = 120): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "undefined");
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** Writes a value in several lines. */
export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "";
}
