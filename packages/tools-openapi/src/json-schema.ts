import type { JsonSchema } from "@penguiflow/planner";
import { at, type ApiDocument } from "./document.ts";

/** Whether a schema describes what is sent or what comes back. */
export type Direction = "request" | "response";

/** Keywords with a schema, with schemas by name, with a list of schemas. All others are data. */
const ONE = new Set([
  ...["items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else"],
  ...["unevaluatedItems", "unevaluatedProperties", "contentSchema"],
]);
const NAMED = new Set(["properties", "patternProperties", "dependentSchemas"]);
const LISTS = new Set(["allOf", "anyOf", "oneOf", "prefixItems"]);

/** Keywords of OpenAPI that JSON Schema lacks, and those that this translation replaces. */
const LEFT_OUT = new Set([
  ...["nullable", "example", "discriminator", "xml", "externalDocs", "readOnly", "writeOnly"],
  ...["$defs", "definitions", "$id", "$schema"],
]);

type Fields = Record<string, unknown>;

/** The schema of a file as a model gives it. */
export const FILE_SCHEMA = {
  type: "string",
  contentEncoding: "base64",
  pattern: "^[A-Za-z0-9+/\\s]*={0,2}\\s*$",
  description: "A file, as base64",
} as const;

/** Whether a schema is that of a file's bytes, in the words of 3.0 or 3.1. */
export function isFileSchema(schema: unknown): boolean {
  const { type, format, contentMediaType, contentEncoding } = (schema ?? {}) as Readonly<Fields>;
  if (format === "binary") return true;
  return contentMediaType !== undefined && contentEncoding === undefined && (type === undefined || type === "string");
}

/**
 * Translates schemas of a document into JSON Schema 2020-12. All schemas of one translator share its definitions, which
 * belong at the root of the result: {@link SchemaTranslator.root}.
 */
export class SchemaTranslator {
  readonly #document: ApiDocument;
  readonly #direction: Direction;
  readonly #isOld: boolean;
  readonly #withFiles: boolean;
  readonly #names = new Map<string, string>();
  readonly #definitions: Fields = {};

  /**
   * @param withFiles - whether binary texts are files, which a model gives as base64
   */
  constructor(document: ApiDocument, direction: Direction, withFiles = false) {
    this.#document = document;
    this.#direction = direction;
    this.#withFiles = withFiles;
    this.#isOld = document.openapi.startsWith("3.0.");
  }

  /** Adds the definitions that translated schemas refer to. */
  root(schema: JsonSchema): JsonSchema {
    return this.#names.size === 0 ? schema : { ...schema, $defs: this.#definitions };
  }

  /** Translates one schema. Whether it is an object of data or `true`, `false`, it stays one. */
  translate(schema: unknown): unknown {
    if (typeof schema !== "object" || schema === null) return schema ?? true;
    const source = schema as Readonly<Fields>;
    const { $ref } = source;
    const reference = typeof $ref === "string" ? { $ref: this.#definition($ref) } : undefined;
    // 3.0 ignores what stands beside a reference
    if (reference !== undefined && this.#isOld) return reference;
    if (this.#withFiles && reference === undefined && isFileSchema(source)) {
      const { description = FILE_SCHEMA.description } = source;
      return { ...FILE_SCHEMA, description };
    }
    const result: Fields = {};
    for (const [keyword, value] of Object.entries(source)) {
      if (LEFT_OUT.has(keyword) || keyword.startsWith("x-")) continue;
      result[keyword] = this.#keyword(keyword, value);
    }
    if ("example" in source) result["examples"] = [source["example"]];
    // a pattern of another dialect of regular expressions cannot be checked here
    if (typeof result["pattern"] === "string" && !isPattern(result["pattern"])) delete result["pattern"];
    this.#hide(source, result);
    return Object.assign(this.#isOld ? modernised(source, result) : result, reference);
  }

  #keyword(keyword: string, value: unknown): unknown {
    if (ONE.has(keyword)) return this.translate(value);
    if (NAMED.has(keyword) && typeof value === "object" && value !== null)
      return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, this.translate(schema)]));
    if (LISTS.has(keyword) && Array.isArray(value)) return value.map((schema: unknown) => this.translate(schema));
    return value;
  }

  /** Leaves out properties that do not travel in this direction. */
  #hide({ properties, required }: Readonly<Fields>, result: Fields): void {
    if (typeof properties !== "object" || properties === null) return;
    const mark = this.#direction === "request" ? "readOnly" : "writeOnly";
    const hidden = new Set(Object.entries(properties).flatMap(([name, part]) => (this.#has(part, mark) ? [name] : [])));
    if (hidden.size === 0) return;
    const shown = Object.entries(result["properties"] as Fields).filter(([name]) => !hidden.has(name));
    result["properties"] = Object.fromEntries(shown);
    if (Array.isArray(required)) result["required"] = required.filter((name: string) => !hidden.has(name));
  }

  #has(schema: unknown, mark: string): boolean {
    let found = schema as Readonly<Fields> | undefined;
    for (let hops = 0; hops < 32 && typeof found === "object" && found !== null; hops++) {
      if (found[mark] === true) return true;
      if (typeof found["$ref"] !== "string") return false;
      found = at(this.#document, found["$ref"]) as Readonly<Fields>;
    }
    return false;
  }

  #definition(pointer: string): string {
    const known = this.#names.get(pointer);
    if (known !== undefined) return known;
    const wanted = (pointer.split("/").at(-1) ?? "").replace(/[^\w-]+/g, "_") || "root";
    let name = wanted;
    for (let number = 2; name in this.#definitions; number++) name = `${wanted}_${number}`;
    const reference = `#/$defs/${name}`;
    // known before it is translated: a schema may contain itself
    this.#names.set(pointer, reference);
    this.#definitions[name] = true;
    this.#definitions[name] = this.translate(at(this.#document, pointer));
    return reference;
  }
}

/** Writes the keywords of 3.0 that 2020-12 has in another form. */
function modernised(source: Readonly<Fields>, result: Fields): Fields {
  for (const [exclusive, inclusive] of [
    ["exclusiveMinimum", "minimum"],
    ["exclusiveMaximum", "maximum"],
  ] as const) {
    if (typeof source[exclusive] !== "boolean") continue;
    delete result[exclusive];
    if (!source[exclusive]) continue;
    result[exclusive] = source[inclusive];
    delete result[inclusive];
  }
  if (source["nullable"] !== true) return result;
  if (typeof source["type"] !== "string") {
    const isOpen = !["allOf", "anyOf", "oneOf", "enum", "not"].some((keyword) => keyword in source);
    return isOpen ? result : { anyOf: [result, { type: "null" }] };
  }
  result["type"] = [source["type"], "null"];
  // many documents leave null out of the list and mean it
  const { enum: values } = source as { readonly enum?: unknown };
  if (Array.isArray(values) && !values.includes(null)) result["enum"] = [...(values as unknown[]), null];
  return result;
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}
