import { fromJsonSchema, type JsonSchemaType } from "@modelcontextprotocol/client";
import { AjvJsonSchemaValidator } from "@modelcontextprotocol/client/validators/ajv";
import type { JsonSchema } from "@penguiflow/planner";
import type { Schema } from "penguiflow";

/**
 * Creates a Standard Schema from a JSON Schema.
 *
 * @throws Error for one that cannot be compiled
 */
export function schemaOf(jsonSchema: JsonSchema): Schema {
  // a validator of its own: a shared one keeps every schema, and gives one of a known `$id` the checks of the first
  return fromJsonSchema(jsonSchema as JsonSchemaType, new AjvJsonSchemaValidator());
}

/** Returns what does not fit a schema, in words; `undefined` for a value that fits. */
export async function problemOf(schema: Schema, value: unknown): Promise<string | undefined> {
  const { issues } = await schema["~standard"].validate(value);
  return issues?.map(({ message }) => message).join("; ");
}
