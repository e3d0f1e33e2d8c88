import type { Json } from "@penguiflow/planner";
import { type ApiDocument, at, type Encoding, isReference, type MediaType, type RequestBody } from "./document.ts";
import { isFileSchema } from "./json-schema.ts";
import { inQuery, textOf } from "./serialise.ts";

/** The form in which a body is sent. `base64` is a file that the model gives as base64. */
export type BodyForm = "json" | "urlencoded" | "multipart" | "text" | "base64";

/** The media type of a request's body that is sent, of those that the document offers. */
export interface BodyPlan {
  readonly form: BodyForm;
  readonly mediaType: string;
  readonly media: MediaType;
  readonly isRequired: boolean;
  readonly description: string | undefined;
}

/** Chooses the media type that a model can fill best: JSON, then forms, then text, then a file. */
export function planBody({ content, required, description }: RequestBody): BodyPlan | undefined {
  const offers = Object.entries(content).map(([mediaType, media]) => ({ mediaType, media, form: formOf(mediaType) }));
  const order: readonly BodyForm[] = ["json", "urlencoded", "multipart", "text", "base64"];
  const [best] = offers.sort((one, other) => order.indexOf(one.form) - order.indexOf(other.form));
  return best === undefined ? undefined : { ...best, isRequired: required === true, description };
}

function formOf(mediaType: string): BodyForm {
  const type = essenceOf(mediaType);
  if (isJson(type) || type === "*/*" || type === "application/*") return "json";
  if (type === "application/x-www-form-urlencoded") return "urlencoded";
  if (type === "multipart/form-data") return "multipart";
  return isText(type) ? "text" : "base64";
}

/** Returns a media type without its parameters, in small letters. */
export function essenceOf(mediaType: string): string {
  return (mediaType.split(";", 1)[0] ?? "").trim().toLowerCase();
}

/** Whether a media type is JSON. */
export function isJson(type: string): boolean {
  return type === "application/json" || type.endsWith("+json");
}

/** Whether a media type is text for people or programs. */
export function isText(type: string): boolean {
  return type.startsWith("text/") || type.endsWith("/xml") || type.endsWith("+xml") || type.endsWith("yaml");
}

/** Whether a part of a form is a file. */
function isFile(document: ApiDocument, schema: unknown): boolean {
  return isReference(schema) ? isFile(document, at(document, schema.$ref)) : isFileSchema(schema);
}

/** Serialises a body; the type stands beside what does not bring its own. */
export function serialiseBody(
  document: ApiDocument,
  { form, mediaType, media }: BodyPlan,
  value: Json,
): { readonly body: string | Uint8Array<ArrayBuffer> | FormData; readonly contentType?: string } {
  const contentType = mediaType.includes("*") ? "application/json" : mediaType;
  if (form === "json") return { body: JSON.stringify(value), contentType };
  if (form === "text") return { body: textOf(value), contentType };
  if (form === "base64") return { body: bytesOf(value), contentType };
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new TypeError('Cannot send "body" as a form: expected an object with its fields');
  const fields = Object.entries(value).filter(([, item]) => item !== null);
  if (form === "urlencoded") return { body: urlencoded(fields, media), contentType };
  return { body: multipart(document, fields, media) };
}

function urlencoded(fields: readonly (readonly [string, Json])[], { encoding = {} }: MediaType): string {
  return fields
    .flatMap(([name, value]) => {
      const { style, explode, allowReserved }: Encoding = encoding[name] ?? {};
      const isStyled = style !== undefined || explode !== undefined || allowReserved !== undefined;
      // without a style an object is one text, by its media type
      const sent = isStyled || Array.isArray(value) ? value : textOf(value);
      return inQuery(name, sent, {
        style: style ?? "form",
        explode: explode ?? (style ?? "form") === "form",
        allowReserved,
      });
    })
    .join("&");
}

function multipart(
  document: ApiDocument,
  fields: readonly (readonly [string, Json])[],
  { schema, encoding = {} }: MediaType,
): FormData {
  const form = new FormData();
  for (const [name, value] of fields) {
    const property = propertyOf(document, schema, name);
    const items: readonly Json[] = Array.isArray(value) ? value : [value];
    const { items: itemSchema } = (property ?? {}) as { readonly items?: unknown };
    const isBinary = isFile(document, Array.isArray(value) ? itemSchema : property);
    for (const item of items) {
      const type = encoding[name]?.contentType?.split(",", 1)[0]?.trim();
      if (isBinary) form.append(name, new Blob([bytesOf(item)], { type: type ?? "application/octet-stream" }), name);
      else if (type !== undefined || typeof item === "object")
        form.append(name, new Blob([textOf(item)], { type: type ?? "application/json" }));
      else form.append(name, textOf(item));
    }
  }
  return form;
}

/** Finds the schema of a property, followed through references and `allOf`. */
function propertyOf(document: ApiDocument, schema: unknown, name: string, depth = 0): unknown {
  if (depth > 32 || typeof schema !== "object" || schema === null) return undefined;
  if (isReference(schema)) return propertyOf(document, at(document, schema.$ref), name, depth + 1);
  const { properties, allOf } = schema as {
    readonly properties?: Readonly<Record<string, unknown>>;
    readonly allOf?: readonly unknown[];
  };
  if (properties !== undefined && Object.hasOwn(properties, name)) {
    const found = properties[name];
    return isReference(found) ? at(document, found.$ref) : found;
  }
  for (const part of allOf ?? []) {
    const found = propertyOf(document, part, name, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function bytesOf(value: Json): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(textOf(value), "base64"));
}
