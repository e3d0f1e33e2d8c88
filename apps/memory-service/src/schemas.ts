import { z } from "zod";
import { LEVELS, ROLES } from "./fragment.ts";
import { MemoryError } from "./memory-error.ts";
import type { MemoryLimits } from "./limits.ts";
import { NAME_PATTERN, SCOPES, TENANT_PATTERN } from "./principal.ts";
import { textFault } from "./text/clean-text.ts";

/** Schema of names: users, conversations, keys, ids. */
export const name = z.string().regex(NAME_PATTERN, "expected 1 to 128 letters, digits, _ . and -");
/** Schema of tenants. */
export const tenant = z.string().regex(TENANT_PATTERN, "expected 1 to 63 of a-z, 0-9 and -");
/** Schema of instants in epoch milliseconds. */
export const instant = z.int().min(0).max(8_640_000_000_000_000);
/** Schema of levels. */
export const level = z.enum(LEVELS);
/** Schema of principals, for stages of flows. */
export const principal = z.object({ tenant, user: name, scopes: z.array(z.enum(SCOPES)).readonly() }).readonly();

const SOURCE_BYTES = 256;

function bounded(maxBytes: number) {
  return z.string().superRefine((text, ctx) => {
    const fault = textFault(text, maxBytes);
    if (fault !== undefined) ctx.addIssue({ code: "custom", message: fault });
  });
}

/** Returns the schemas of inputs under the given limits. The HTTP and MCP doors publish them as JSON Schema. */
export function inputSchemas(limits: MemoryLimits) {
  const fragment = z.strictObject({
    text: bounded(limits.textBytes),
    conversation: name.optional(),
    level: level.default("private"),
    role: z.enum(ROLES).default("note"),
    source: bounded(SOURCE_BYTES).optional(),
    saidAt: instant.optional(),
    supersedes: name.optional(),
  });
  const filter = {
    conversation: name.optional(),
    level: level.optional(),
    owner: name.optional(),
    since: instant.optional(),
    until: instant.optional(),
  };
  return {
    fragments: z.array(fragment).min(1).max(limits.batch),
    idempotencyKey: name.optional(),
    id: name,
    level,
    grantee: z.strictObject({ tenant, user: name }),
    share: z.strictObject({ expiresAt: instant.optional() }),
    reinforcement: z.number().min(-1).max(1),
    feedback: z.union([
      z.strictObject({ id: name, helpful: z.boolean() }),
      z.strictObject({ conversation: name, text: bounded(limits.textBytes) }),
    ]),
    retrieve: z.strictObject({
      query: bounded(limits.queryBytes),
      limit: z.int().min(1).max(limits.items).default(10),
      maxTokens: z.int().min(1).max(100_000).default(2_000),
      /** Conversation in which is asked: what is recalled there can be confirmed or corrected there. */
      within: name.optional(),
      explain: z.boolean().default(false),
      ...filter,
    }),
    list: z.strictObject({
      cursor: z.string().max(2_048).optional(),
      limit: z.int().min(1).max(limits.page).default(50),
      ...filter,
    }),
    events: z.strictObject({
      fragment: name.optional(),
      cursor: z.string().max(2_048).optional(),
      limit: z.int().min(1).max(limits.page).default(50),
    }),
  };
}

/** Schemas of inputs. */
export type InputSchemas = ReturnType<typeof inputSchemas>;

/** A query, with defaults filled in. */
export type RetrieveInput = z.output<InputSchemas["retrieve"]>;

/**
 * Parses input.
 *
 * @throws MemoryError `INVALID` that names each place
 */
export function parseInput<Output>(schema: z.ZodType<Output>, input: unknown, path: readonly string[] = []): Output {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.flatMap(issuesOf).map((issue) => ({
    path: [...path, ...issue.path.filter((key) => typeof key !== "symbol")],
    message: issue.message,
  }));
  const places = issues.map((issue) => `${issue.path.join(".") || "input"}: ${issue.message}`);
  throw new MemoryError("INVALID", `The input does not fit: ${places.join("; ")}`, { issues });
}

/** Returns an issue, and for a union those of the form that the input is closest to. */
function issuesOf(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return [issue];
  // the form with the fewest unknown keys is the one that was meant
  const distance = (one: readonly z.core.$ZodIssue[]): number =>
    one.reduce((sum, each) => sum + (each.code === "unrecognized_keys" ? 1_000 * each.keys.length : 1), 0);
  const closest = issue.errors.reduce((best, one) => (distance(one) < distance(best) ? one : best));
  return closest.flatMap(issuesOf).map((one) => ({ ...one, path: [...issue.path, ...one.path] }));
}
