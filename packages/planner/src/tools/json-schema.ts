import type { Schema, SchemaIssue, SchemaResult } from "penguiflow";
import type { JsonSchema } from "../plan/json.ts";
import type { Checked } from "./tool.ts";

/** The part of Standard JSON Schema 1 that tools use. Schemas of zod satisfy it as they are. */
interface GivesJsonSchema {
  readonly "~standard": {
    readonly jsonSchema?: { readonly input: (options: { readonly target: string }) => JsonSchema } | undefined;
  };
}

/**
 * Returns the JSON Schema of a schema.
 *
 * @throws TypeError when it gives none
 */
export function jsonSchemaOf(
  owner: string,
  schema: Schema<unknown, unknown>,
  beside: JsonSchema | undefined,
): JsonSchema {
  if (beside !== undefined) return beside;
  const given = (schema as GivesJsonSchema)["~standard"].jsonSchema;
  if (given === undefined)
    throw new TypeError(`Cannot describe ${owner}: its schema gives no JSON Schema; pass "jsonSchema" beside it`);
  try {
    // as data alone: it is stored with questions, and some libraries hang functions on it
    return JSON.parse(JSON.stringify(given.input({ target: "draft-2020-12" }))) as JsonSchema;
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new TypeError(`Cannot describe ${owner} as JSON Schema: ${cause}; pass "jsonSchema" beside its schema`, {
      cause: error,
    });
  }
}

/** Checks a value against a schema; says what does not fit in words for the model. */
export function checkAgainst(schema: Schema<unknown, unknown>, value: unknown): Checked | Promise<Checked> {
  const result = schema["~standard"].validate(value);
  return "then" in result ? result.then(checkedOf) : checkedOf(result);
}

function checkedOf(result: SchemaResult<unknown>): Checked {
  if (result.issues === undefined) return { ok: true, value: result.value };
  return { ok: false, problem: result.issues.map(issueText).join("; ") };
}

function issueText({ message, path = [] }: SchemaIssue): string {
  const place = path.map((step) => String(typeof step === "object" ? step.key : step)).join(".");
  return place === "" ? message : `${place}: ${message}`;
}
