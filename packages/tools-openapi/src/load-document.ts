import { bundle, compileErrors, validate } from "@readme/openapi-parser";
import { shown } from "penguiflow/adapter";
import type { ApiDocument } from "./document.ts";

/** An OpenAPI document: a URL or path of a JSON or YAML file, or the document as data. */
export type DocumentSource = string | object;

/** The characters of a document's faults that an error shows. */
const LONGEST_FAULTS = 2000;

/**
 * Reads a document with all its files and checks it. Its references lead into itself afterwards.
 *
 * @throws TypeError when it is no valid document of OpenAPI 3.0 or 3.1
 */
export async function loadDocument(source: DocumentSource): Promise<ApiDocument> {
  const place = typeof source === "string" ? `"${source}"` : "the OpenAPI document";
  // the parser changes what it is given
  const given = typeof source === "string" ? source : structuredClone(source);
  const document = (await bundle(given as string)) as unknown as Partial<ApiDocument>;
  const version = document.openapi ?? (document as { readonly swagger?: unknown }).swagger;
  if (typeof version !== "string" || !/^3\.[01]\.\d/.test(version))
    throw new TypeError(
      `Cannot read ${place}: expected a document of OpenAPI 3.0 or 3.1, got version ${shown(version)}`,
    );
  // 3.1 allows arrays without `items`, which the parser refuses by default
  const rules = { openapi: { "array-without-items": "warning" } } as const;
  const checked = await validate(structuredClone(document) as never, { validate: { rules } });
  if (!checked.valid) throw new TypeError(`Cannot read ${place}: ${compileErrors(checked).slice(0, LONGEST_FAULTS)}`);
  return document as ApiDocument;
}
