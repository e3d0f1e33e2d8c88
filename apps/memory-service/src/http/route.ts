import type { z } from "zod";
import type { MemoryHandle } from "../memory-handle.ts";

/** A checked request on its way to the memory. */
export interface Call {
  readonly memory: MemoryHandle;
  /** Values of the path's places, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  readonly signal: AbortSignal;
  readonly idempotencyKey: string | undefined;
}

/** An answer: JSON, JSON objects one a line, or nothing. */
export type Reply =
  | { readonly status: number; readonly body?: unknown }
  | { readonly status: 200; readonly lines: AsyncIterable<object> };

/** A route of the API. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Path with its places in braces, as OpenAPI has it. */
  readonly path: string;
  readonly summary: string;
  /** Schema of the body, which is then required. */
  readonly body?: z.ZodType;
  /** Schema of the query. @defaultValue none is read */
  readonly query?: z.ZodObject;
  /** Statuses of success. */
  readonly statuses: readonly number[];
  readonly run: (call: Call) => Promise<Reply>;
}

/** Matches a path with that of a route; returns the values of its places. */
export function matches(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const value = given[at]!;
    if (!part.startsWith("{")) {
      if (part !== value) return undefined;
      continue;
    }
    try {
      params[part.slice(1, -1)] = decodeURIComponent(value);
    } catch {
      return undefined;
    }
  }
  return params;
}
