/** An operation of JSON Patch (RFC 6902). */
export type PatchOperation =
  | { readonly op: "add" | "replace"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string };

/**
 * Lists the operations that make one JSON value of another, in the order in which they are to be applied. Lists are
 * compared from their beginning: items that were added at the end are added, a shorter list loses its end.
 */
export function deltaOf(before: unknown, after: unknown, path = ""): PatchOperation[] {
  if (Object.is(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) return listDelta(before, after, path);
  if (!isRecord(before) || !isRecord(after)) return [{ op: "replace", path, value: after }];
  const gone = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  return [
    ...gone.map((key) => ({ op: "remove" as const, path: below(path, key) })),
    ...Object.entries(after).flatMap(([key, value]) =>
      Object.hasOwn(before, key)
        ? deltaOf(before[key], value, below(path, key))
        : [{ op: "add" as const, path: below(path, key), value }],
    ),
  ];
}

function listDelta(before: readonly unknown[], after: readonly unknown[], path: string): PatchOperation[] {
  const changed = after.slice(0, before.length).flatMap((item, at) => deltaOf(before[at], item, below(path, at)));
  const added = after.slice(before.length).map((value) => ({ op: "add" as const, path: below(path, "-"), value }));
  // from the end, so that the places of the others stay
  const removed = before
    .slice(after.length)
    .map((_, index) => ({ op: "remove" as const, path: below(path, before.length - 1 - index) }));
  return [...changed, ...added, ...removed];
}

function below(path: string, key: string | number): string {
  return `${path}/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
