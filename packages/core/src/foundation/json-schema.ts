import { freezeOutsideProduction } from "./freeze.ts";
import type { Schema } from "./schema.ts";

/** A JSON Schema of draft 2020-12, as plain data. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** The part of Standard JSON Schema 1 (https://standardschema.dev/json-schema) that is used. Schemas of zod satisfy it. */
interface GivesJsonSchema {
  readonly "~standard": {
    readonly jsonSchema?: Partial<Record<Side, (options: { readonly target: string }) => unknown>> | undefined;
  };
}

/** The value before a schema has checked it, or after. */
export type Side = "input" | "output";

/** JSON Schemas by schema: a library takes its time to make one. */
const known: Readonly<Record<Side, WeakMap<Schema, { readonly made: JsonSchema | undefined }>>> = {
  input: new WeakMap(),
  output: new WeakMap(),
};

/** Returns the JSON Schema of what a schema accepts or returns; `undefined` if its library gives none. */
export function jsonSchemaOf(schema: Schema | undefined, side: Side): JsonSchema | undefined {
  if (schema === undefined) return undefined;
  let found = known[side].get(schema);
  if (found === undefined) known[side].set(schema, (found = { made: made(schema, side) }));
  return found.made;
}

function made(schema: Schema, side: Side): JsonSchema | undefined {
  try {
    // as data alone: it is stored with pauses, and some libraries hang functions on it
    const text = JSON.stringify(
      (schema as GivesJsonSchema)["~standard"].jsonSchema?.[side]?.({ target: "draft-2020-12" }),
    );
    const data = text === undefined ? undefined : (JSON.parse(text) as unknown);
    return typeof data === "object" && data !== null ? (freezeOutsideProduction(data) as JsonSchema) : undefined;
  } catch {
    // libraries throw for what JSON Schema cannot express, such as a Map
    return undefined;
  }
}
