import type { ElicitRequestParams, ElicitResult } from "@modelcontextprotocol/client";
import type { Json, JsonSchema, ToolContext, ToolQuestion } from "@penguiflow/planner";
import type { Schema } from "penguiflow";
import { schemaOf } from "./json-schemas.ts";

type Answer = Readonly<Record<string, unknown>> | null;

/** Asks a person a question of a server. The answer `null` declines. */
export async function askPerson(
  source: string,
  params: ElicitRequestParams,
  ask: ToolContext["ask"],
): Promise<ElicitResult> {
  const content = await ask(questionOf(source, params));
  if (content === null) return { action: "decline" };
  if (params.mode === "url") return { action: "accept" };
  return { action: "accept", content: content as NonNullable<ElicitResult["content"]> };
}

function questionOf(source: string, params: ElicitRequestParams): ToolQuestion<Answer> {
  const { message } = params;
  if (params.mode === "url") {
    const { url } = params;
    return {
      reason: message,
      payload: { server: source, url },
      schema: orNull(schemaOf(VISITED)),
      jsonSchema: VISITED,
    };
  }
  const jsonSchema = params.requestedSchema as JsonSchema;
  const payload: Json = { server: source };
  return { reason: message, payload, schema: orNull(schemaOf(jsonSchema), defaultsOf(jsonSchema)), jsonSchema };
}

/** Schema of the answer to a question that is a page to visit. */
const VISITED: JsonSchema = { type: "object", properties: {} };

function orNull(schema: Schema, defaults: object = {}): Schema<unknown, Answer> {
  const { validate } = schema["~standard"];
  const filled = (value: unknown): unknown => (typeof value === "object" ? { ...defaults, ...value } : value);
  return {
    "~standard": {
      version: 1,
      vendor: "penguiflow",
      validate: (value) => (value === null ? { value } : (validate(filled(value)) as { readonly value: Answer })),
    },
  };
}

/** Returns the values that the server wants for fields without an answer. */
function defaultsOf({ properties = {} }: JsonSchema): object {
  const fields = Object.entries(properties as Readonly<Record<string, { readonly default?: unknown }>>);
  return Object.fromEntries(fields.flatMap(([name, field]) => ("default" in field ? [[name, field.default]] : [])));
}
