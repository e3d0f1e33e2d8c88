/** A place in which two values differ. */
export interface ValueDifference {
  /** As a program would write it: `items[2].price`; empty for the whole value. */
  readonly path: string;
  readonly kind: "changed" | "added" | "removed";
  readonly before?: unknown;
  readonly after?: unknown;
}

/** Number of differences after which the rest is only counted. */
const MOST = 200;

/** Differences of two JSON values, in the order of their keys. */
export interface ValueDiff {
  readonly differences: readonly ValueDifference[];
  /** Number of further differences. */
  readonly more: number;
}

/** Compares two JSON values. Items of arrays are compared by their place. */
export function diffValues(before: unknown, after: unknown): ValueDiff {
  const differences: ValueDifference[] = [];
  let more = 0;
  const found = (difference: ValueDifference): void => {
    if (differences.length < MOST) differences.push(difference);
    else more++;
  };
  const compare = (a: unknown, b: unknown, path: string): void => {
    if (Object.is(a, b)) return;
    if (Array.isArray(a) && Array.isArray(b)) {
      for (let index = 0; index < Math.max(a.length, b.length); index++) {
        const place = `${path}[${index}]`;
        if (index >= a.length) found({ path: place, kind: "added", after: b[index] as unknown });
        else if (index >= b.length) found({ path: place, kind: "removed", before: a[index] as unknown });
        else compare(a[index], b[index], place);
      }
      return;
    }
    if (isRecord(a) && isRecord(b)) {
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
        const place = pathTo(path, key);
        if (!Object.hasOwn(a, key)) found({ path: place, kind: "added", after: b[key] });
        else if (!Object.hasOwn(b, key)) found({ path: place, kind: "removed", before: a[key] });
        else compare(a[key], b[key], place);
      }
      return;
    }
    found({ path, kind: "changed", before: a, after: b });
  };
  compare(before, after, "");
  return { differences, more };
}

function pathTo(path: string, key: string): string {
  if (!/^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
