import { fromJsonSchema, type JsonSchemaType, type StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import { AjvJsonSchemaValidator } from "@modelcontextprotocol/server/validators/ajv";
import type { JsonSchema } from "@penguiflow/planner";
import type { Schema } from "penguiflow";

/**
 * Creates the schema that the SDK tells clients and checks with.
 *
 * @throws Error for one that cannot be compiled
 */
export function toldSchema(jsonSchema: JsonSchema): StandardSchemaWithJSON {
  // a validator of its own: a shared one gives a schema of a known `$id` the checks of the first
  return fromJsonSchema(jsonSchema as JsonSchemaType, new AjvJsonSchemaValidator());
}

/**
 * Writes a schema as JSON Schema.
 *
 * @throws Error for a schema that cannot be written, such as one of dates
 */
export function jsonSchemaOf(schema: Schema<unknown, unknown>, side: "input" | "output"): JsonSchema {
  const { jsonSchema } = schema["~standard"] as {
    readonly jsonSchema?: Readonly<Record<typeof side, (options: { readonly target: string }) => JsonSchema>>;
  };
  if (jsonSchema === undefined) throw new Error("its schema gives no JSON Schema");
  return jsonSchema[side]({ target: "draft-2020-12" });
}
