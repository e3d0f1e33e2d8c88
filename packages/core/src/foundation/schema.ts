/**
 * The part of Standard Schema 1 (https://standardschema.dev) that the runtime uses. Schemas of zod, valibot, arktype
 * and others satisfy this type as they are.
 */
export interface Schema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** The result of validating a value. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One validation issue, with the path to its value. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The type that a schema accepts. */
export type SchemaInput<S> = S extends Schema<infer Input, unknown> ? Input : never;

/** The type that a schema returns. */
export type SchemaOutput<S> = S extends {
  readonly "~standard": { readonly types?: { readonly output: infer Output } | undefined };
}
  ? Output
  : never;

/**
 * Creates a schema that checks nothing and only carries a type, for payloads that need no validation at run time.
 *
 * @example `joinK("merge", 3, { input: shape<Found>() })`
 */
export function shape<Type>(): Schema<Type> {
  return ANYTHING as Schema<Type>;
}

const ANYTHING: Schema = { "~standard": { version: 1, vendor: "penguiflow", validate: (value) => ({ value }) } };

/** Whether a schema can refuse or change a value: schemas made by {@link shape} cannot. */
export function checks(schema: Schema | undefined): schema is Schema {
  return schema !== undefined && schema !== ANYTHING;
}

/** Whether a value is a Standard Schema. Schemas may be objects or functions (arktype). */
export function isSchema(value: unknown): value is Schema {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard = (value as { readonly "~standard"?: { readonly validate?: unknown } })["~standard"];
  return typeof standard?.validate === "function";
}

/** Formats the issues of a failed validation as one line: `path: message; path: message`. */
export function formatIssues(issues: readonly SchemaIssue[]): string {
  return issues.map((issue) => `${issuePath(issue)}: ${issue.message}`).join("; ");
}

/** Formats the path of an issue, as `payload.items[2].name`. */
export function issuePath(issue: SchemaIssue): string {
  let path = "payload";
  for (const step of issue.path ?? []) {
    const key = typeof step === "object" ? step.key : step;
    path += typeof key === "number" ? `[${key}]` : `.${String(key)}`;
  }
  return path;
}
