import type { Json, JsonSchema } from "@penguiflow/planner";
import { type BodyPlan, planBody } from "./body.ts";
import { type ApiDocument, follow, type Parameter, type SecurityScheme } from "./document.ts";
import { FILE_SCHEMA, SchemaTranslator } from "./json-schema.ts";
import type { FoundOperation } from "./operations.ts";
import type { Style } from "./serialise.ts";

/** A parameter under the name of its argument. */
export interface PlacedParameter {
  readonly argument: string;
  readonly parameter: Parameter;
  readonly style: Style;
  /** Set for a parameter that is sent as JSON. */
  readonly isJson: boolean;
}

/** The arguments of an operation and the places to which they go. */
export interface Arguments {
  readonly schema: JsonSchema;
  readonly parameters: readonly PlacedParameter[];
  /** The form of the argument `body`. */
  readonly body: BodyPlan | undefined;
  /** Name of the header that takes the call's idempotency key. */
  readonly idempotencyHeader: string | undefined;
}

/** Headers that the document may list and that describe the message or sign it in. */
const OWN_HEADERS = new Set(["accept", "content-type", "authorization", "cookie", "host", "content-length"]);

/** Styles that the specification gives to each place. */
const STYLES = { path: "simple", header: "simple", query: "form", cookie: "form" } as const;

/** Plans the arguments of an operation: its parameters, and `body`, under names that models accept. */
export function planArguments(
  document: ApiDocument,
  { parameters, operation }: FoundOperation,
  schemes: readonly SecurityScheme[],
): Arguments {
  const body = operation.requestBody === undefined ? undefined : planBody(follow(document, operation.requestBody));
  const translator = new SchemaTranslator(document, "request", body?.form === "multipart");
  const isIdempotencyKey = ({ in: place, name }: Parameter): boolean =>
    place === "header" && name.toLowerCase() === "idempotency-key";
  const shown = parameters.filter((parameter) => !isIdempotencyKey(parameter) && !isOwn(parameter, schemes));
  const names = new Set<string>(["body"]);
  const properties: Record<string, unknown> = {};
  const required: string[] = [];
  const placed = shown.map((parameter): PlacedParameter => {
    const argument = argumentName(parameter, names);
    const [media] = Object.values(parameter.content ?? {});
    properties[argument] = described(translator.translate(parameter.schema ?? media?.schema), parameter.description);
    if (parameter.required === true) required.push(argument);
    const style = parameter.style ?? STYLES[parameter.in];
    const { explode = style === "form", allowReserved } = parameter;
    return { argument, parameter, style: { style, explode, allowReserved }, isJson: media !== undefined };
  });
  if (body !== undefined) {
    const schema = body.form === "base64" ? FILE_SCHEMA : translator.translate(body.media.schema);
    properties["body"] = described(body.form === "text" ? { type: "string" } : schema, body.description);
    if (body.isRequired) required.push("body");
  }
  const schema = { type: "object", properties, required, additionalProperties: false };
  return {
    schema: translator.root(schema),
    parameters: placed,
    body,
    idempotencyHeader: parameters.find(isIdempotencyKey)?.name,
  };
}

/** Whether a parameter is none of the model's business: credentials, and headers that the call itself sets. */
function isOwn({ in: place, name }: Parameter, schemes: readonly SecurityScheme[]): boolean {
  if (place === "header" && OWN_HEADERS.has(name.toLowerCase())) return true;
  return schemes.some(
    (scheme) =>
      scheme.type === "apiKey" &&
      scheme.in === place &&
      (place === "header" ? scheme.name?.toLowerCase() === name.toLowerCase() : scheme.name === name),
  );
}

function argumentName({ in: place, name }: Parameter, taken: Set<string>): string {
  const plain = name.replace(/[^\w.-]+/g, "_").replace(/^_+|_+$/g, "") || place;
  let argument = taken.has(plain) ? `${place}_${plain}` : plain;
  for (let number = 2; taken.has(argument); number++) argument = `${place}_${plain}_${number}`;
  taken.add(argument);
  return argument;
}

function described(schema: unknown, description: string | undefined): unknown {
  if (description === undefined) return schema;
  if (typeof schema !== "object" || schema === null) return { description };
  return { description, ...schema };
}

/** Arguments after their check. */
export type CheckedArguments = Readonly<Record<string, Json>>;
