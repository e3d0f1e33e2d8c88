/** Maximum number of differences that are told. */
const MAX_TOLD = 8;

/** Characters of a value that are told. */
const MAX_SHOWN = 120;

/**
 * Lists the places at which two values of JSON differ, in words.
 *
 * @param isPartial - whether the given value may have properties that the wanted one has not
 */
export function differencesOf(wanted: unknown, given: unknown, isPartial: boolean): string[] {
  const found: string[] = [];
  compare(wanted, given, "", isPartial, found);
  const more = found.length - MAX_TOLD;
  return more > 0 ? [...found.slice(0, MAX_TOLD), `and ${more} more`] : found;
}

function compare(wanted: unknown, given: unknown, path: string, isPartial: boolean, found: string[]): void {
  if (Array.isArray(wanted) && Array.isArray(given)) {
    const length = Math.max(wanted.length, given.length);
    for (let index = 0; index < length; index += 1) {
      compare(wanted[index], given[index], `${path}[${index}]`, isPartial, found);
    }
    return;
  }
  if (isRecord(wanted) && isRecord(given)) {
    const keys = new Set([...Object.keys(wanted), ...(isPartial ? [] : Object.keys(given))]);
    for (const key of keys) compare(wanted[key], given[key], path === "" ? key : `${path}.${key}`, isPartial, found);
    return;
  }
  if (Object.is(wanted, given)) return;
  found.push(`${path === "" ? "the value" : path}: expected ${shown(wanted, given)}, got ${shown(given, wanted)}`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Formats a value. A long text is shown from shortly before the place where it differs from the other. */
function shown(value: unknown, other: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  if (text.length <= MAX_SHOWN) return text;
  const otherText = JSON.stringify(other) ?? "";
  let same = 0;
  while (same < text.length && text[same] === otherText[same]) same += 1;
  const from = Math.max(0, same - MAX_SHOWN / 4);
  return `${from > 0 ? "…" : ""}${text.slice(from, from + MAX_SHOWN)}${from + MAX_SHOWN < text.length ? "…" : ""}`;
}
