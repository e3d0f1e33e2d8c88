/** An OpenAPI 3.0 or 3.1 document whose references all point into itself. The parts that calls need. */
export interface ApiDocument {
  readonly openapi: string;
  readonly servers?: readonly Server[];
  readonly paths?: Readonly<Record<string, PathItem | Reference>>;
  readonly components?: { readonly securitySchemes?: Readonly<Record<string, SecurityScheme | Reference>> };
  readonly security?: readonly SecurityRequirement[];
}

/** A reference to another part of the document. */
export interface Reference {
  readonly $ref: string;
}

/** A place that serves the operations, with variables in braces. */
export interface Server {
  readonly url: string;
  readonly variables?: Readonly<Record<string, { readonly default: string }>>;
}

/** The operations of a path. */
export interface PathItem extends Partial<Readonly<Record<Method, Operation>>> {
  readonly servers?: readonly Server[];
  readonly parameters?: readonly (Parameter | Reference)[];
}

/** The methods that a path item names. */
export const METHODS = ["get", "head", "options", "trace", "put", "delete", "post", "patch"] as const;
export type Method = (typeof METHODS)[number];

/** A call that the API offers. */
export interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly deprecated?: boolean;
  readonly tags?: readonly string[];
  readonly parameters?: readonly (Parameter | Reference)[];
  readonly requestBody?: RequestBody | Reference;
  readonly responses?: Readonly<Record<string, ResponseObject | Reference>>;
  readonly security?: readonly SecurityRequirement[];
  readonly servers?: readonly Server[];
}

/** A value in the path, query, headers or cookies. It has a schema, or one media type. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header" | "cookie";
  readonly description?: string;
  readonly required?: boolean;
  readonly style?: string;
  readonly explode?: boolean;
  readonly allowReserved?: boolean;
  readonly schema?: unknown;
  readonly content?: Readonly<Record<string, MediaType>>;
}

/** The body of a request, by media type. */
export interface RequestBody {
  readonly description?: string;
  readonly required?: boolean;
  readonly content: Readonly<Record<string, MediaType>>;
}

/** The schema of a media type, and the encoding of properties in forms. */
export interface MediaType {
  readonly schema?: unknown;
  readonly encoding?: Readonly<Record<string, Encoding>>;
}

/** The encoding of one property of a form. */
export interface Encoding {
  readonly contentType?: string;
  readonly style?: string;
  readonly explode?: boolean;
  readonly allowReserved?: boolean;
}

/** An answer that the document describes. */
export interface ResponseObject {
  readonly content?: Readonly<Record<string, MediaType>>;
}

/** A way to sign in. */
export interface SecurityScheme {
  readonly type: "apiKey" | "http" | "oauth2" | "openIdConnect" | "mutualTLS";
  readonly name?: string;
  readonly in?: "query" | "header" | "cookie";
  readonly scheme?: string;
}

/** Schemes that are needed together, by name. */
export type SecurityRequirement = Readonly<Record<string, readonly string[]>>;

/** Follows references from a part of the document to the part that is meant. */
export function follow<Part extends object>(document: ApiDocument, part: Part | Reference): Part {
  let found: unknown = part;
  // a reference to a reference to itself has no end
  for (let hops = 0; hops < 32; hops++) {
    if (!isReference(found)) return found as Part;
    found = at(document, found.$ref);
  }
  throw new TypeError(`Cannot follow ${JSON.stringify(part)}: it leads back to itself`);
}

/** Whether a part of the document is a reference. */
export function isReference(part: unknown): part is Reference {
  return typeof part === "object" && part !== null && "$ref" in part && typeof part.$ref === "string";
}

/** Looks up a JSON pointer in fragment form, such as `#/components/schemas/Pet`. */
export function at(document: ApiDocument, pointer: string): unknown {
  if (!pointer.startsWith("#")) throw new TypeError(`Cannot follow "${pointer}": expected a place in the document`);
  let found: unknown = document;
  for (const token of pointer.slice(1).split("/").slice(1)) {
    const key = decodeURIComponent(token).replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key))
      throw new TypeError(`Cannot follow "${pointer}": the document has no "${key}" there`);
    found = (found as Readonly<Record<string, unknown>>)[key];
  }
  return found;
}
