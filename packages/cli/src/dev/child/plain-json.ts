import { writeValue } from "penguiflow/durable";

/** Characters of the JSON of one value that are kept at most. */
const MAX_VALUE = 1_000_000;

/** Returns the JSON of any value: what JSON has no word for is described, and nothing throws. */
export function jsonOf(value: unknown): string {
  const above: unknown[] = [];
  try {
    return (
      JSON.stringify(value, function (this: unknown, _key: string, item: unknown) {
        // the replacer is called with the object around the item: those above are its ancestors
        while (above.length > 0 && above.at(-1) !== this) above.pop();
        const described = describe(item);
        if (typeof described !== "object" || described === null) return described;
        if (above.includes(described)) return "[circular]";
        above.push(described);
        return described;
      }) ?? "null"
    );
  } catch (error) {
    return JSON.stringify(`[cannot be shown: ${error instanceof Error ? error.message : String(error)}]`);
  }
}

function describe(item: unknown): unknown {
  if (typeof item === "bigint") return `${item}n`;
  if (typeof item === "function") return `[function ${item.name}]`;
  if (typeof item === "symbol") return String(item);
  if (item instanceof Map) return { "[Map]": [...item] };
  if (item instanceof Set) return { "[Set]": [...item] };
  if (ArrayBuffer.isView(item)) return `[${item.byteLength} bytes]`;
  if (item instanceof ArrayBuffer) return `[${item.byteLength} bytes]`;
  if (item instanceof Error) {
    const { name, message, code } = item as Error & { readonly code?: unknown };
    return { name, message, ...(code !== undefined && { code }) };
  }
  return item;
}

/** Returns the JSON of a `Kept`: the value, or its beginning where it is too long. */
export function keptOf(value: unknown): string {
  const text = jsonOf(value);
  if (text.length > MAX_VALUE)
    return `{"cut":${JSON.stringify(text.slice(0, MAX_VALUE / 10))},"length":${text.length}}`;
  const written = writtenOf(value);
  if (written === undefined) return `{"value":${text}}`;
  return `{"value":${text},"written":${written === text ? "true" : JSON.stringify(written)}}`;
}

/** Returns the text from which a value is restored exactly; `undefined` if it cannot be. */
function writtenOf(value: unknown): string | undefined {
  try {
    return writeValue(value, "payload", MAX_VALUE);
  } catch {
    return undefined;
  }
}
