/** Values of the named parts of a path. */
export type Params = Readonly<Record<string, string>>;

/**
 * Matches a path against a pattern such as `/runs/:flow/:id`.
 *
 * @returns the decoded values of its named parts; `undefined` when the path does not fit, or is badly encoded
 */
export function matchPath(pattern: string, path: string): Params | undefined {
  const wanted = partsOf(pattern);
  const given = partsOf(path);
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = decoded(given[index] ?? "");
    if (value === undefined) return undefined;
    if (part.startsWith(":")) params[part.slice(1)] = value;
    else if (part !== value) return undefined;
  }
  return params;
}

/** Builds a path of this page from its parts, each of them encoded: `pathTo("runs", flow, id)`. */
export function pathTo(...parts: readonly string[]): string {
  return `/${parts.map(encodeURIComponent).join("/")}`;
}

function partsOf(text: string): string[] {
  return text.split("/").filter((part) => part !== "");
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
