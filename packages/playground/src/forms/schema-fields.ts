/** A field of a form, read from a JSON Schema. */
export type Field = {
  /** Keys that lead to its value. */
  readonly path: readonly string[];
  readonly label: string;
  readonly description: string | undefined;
  readonly isRequired: boolean;
} & (
  | {
      readonly kind: "text";
      readonly isLong: boolean;
      readonly pattern: string | undefined;
      readonly minLength: number;
      readonly maxLength: number;
    }
  | { readonly kind: "number"; readonly isWhole: boolean; readonly minimum: number; readonly maximum: number }
  | { readonly kind: "boolean" }
  | { readonly kind: "choice"; readonly options: readonly unknown[] }
  /** A shape that has no fields of its own: written as JSON. */
  | { readonly kind: "json" }
  | { readonly kind: "group"; readonly fields: readonly Field[] }
);

/** A value that a field does not take. */
export interface FieldProblem {
  readonly path: readonly string[];
  readonly message: string;
}

type Schema = Readonly<Record<string, unknown>>;

/**
 * Reads the fields of a JSON Schema. A schema of an object gives its properties; another gives one field with an empty
 * path. What has no simple field (unions, arrays) is written as JSON.
 */
export function fieldsOf(schema: unknown): readonly Field[] {
  const root = isSchema(schema) ? schema : {};
  const field = fieldOf(root, root, [], "value", true, 0);
  return field.kind === "group" ? field.fields : [field];
}

function fieldOf(
  schema: Schema,
  root: Schema,
  path: readonly string[],
  label: string,
  isRequired: boolean,
  depth: number,
): Field {
  const shape = resolved(schema, root);
  const base = { path, label: textOf(shape["title"]) ?? label, description: textOf(shape["description"]), isRequired };
  const options = Array.isArray(shape["enum"]) ? shape["enum"] : "const" in shape ? [shape["const"]] : undefined;
  if (options !== undefined) return { ...base, kind: "choice", options };
  const type = typeOf(shape);
  if (type === "string") {
    const maxLength = numberOf(shape["maxLength"]) ?? Infinity;
    const isLong = maxLength > 200 && maxLength !== Infinity;
    return {
      ...base,
      kind: "text",
      isLong,
      pattern: textOf(shape["pattern"]),
      minLength: numberOf(shape["minLength"]) ?? 0,
      maxLength,
    };
  }
  if (type === "number" || type === "integer") {
    return {
      ...base,
      kind: "number",
      isWhole: type === "integer",
      minimum: numberOf(shape["minimum"]) ?? -Infinity,
      maximum: numberOf(shape["maximum"]) ?? Infinity,
    };
  }
  if (type === "boolean") return { ...base, kind: "boolean" };
  const { properties } = shape;
  if (isSchema(properties) && depth < 4) {
    const required = Array.isArray(shape["required"]) ? shape["required"] : [];
    const fields = Object.entries(properties).flatMap(([name, inner]) =>
      isSchema(inner) ? [fieldOf(inner, root, [...path, name], name, required.includes(name), depth + 1)] : [],
    );
    if (fields.length > 0) return { ...base, kind: "group", fields };
  }
  return { ...base, kind: "json" };
}

/** Follows `$ref` into `$defs` of the same document, and takes the one meant shape out of a union with null. */
function resolved(schema: Schema, root: Schema): Schema {
  const reference = textOf(schema["$ref"]);
  if (reference?.startsWith("#/") === true) {
    let target: unknown = root;
    for (const key of reference.slice(2).split("/")) target = isSchema(target) ? target[key] : undefined;
    return isSchema(target) && target !== schema ? { ...target, ...schema, $ref: undefined } : {};
  }
  const union = schema["anyOf"] ?? schema["oneOf"];
  if (!Array.isArray(union)) return schema;
  const meant = union.filter((one: unknown): one is Schema => isSchema(one) && one["type"] !== "null");
  return meant.length === 1 && meant[0] !== undefined
    ? resolved({ ...schema, anyOf: undefined, oneOf: undefined, ...meant[0] }, root)
    : schema;
}

function typeOf(schema: Schema): string | undefined {
  const { type } = schema;
  const types: readonly unknown[] = Array.isArray(type) ? type.filter((one) => one !== "null") : [type];
  return types.length === 1 ? textOf(types[0]) : undefined;
}

/** Returns the value that a form begins with: defaults of the schema, and empty values of what is required. */
export function initialValue(schema: unknown): unknown {
  const root = isSchema(schema) ? schema : {};
  return initialOf(root, root, 0);
}

function initialOf(schema: Schema, root: Schema, depth: number): unknown {
  const shape = resolved(schema, root);
  if ("default" in shape) return shape["default"];
  const { properties } = shape;
  if (!isSchema(properties) || depth > 4) return typeOf(shape) === "object" ? {} : undefined;
  const values: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(properties)) {
    const value = isSchema(inner) ? initialOf(inner, root, depth + 1) : undefined;
    if (value !== undefined) values[name] = value;
  }
  return values;
}

/** Lists the problems of a value, each at its field. */
export function problemsOf(fields: readonly Field[], value: unknown): FieldProblem[] {
  return fields.flatMap((field) => {
    const given = valueAt(value, field.path);
    if (field.kind === "group") return problemsOf(field.fields, value);
    const message = problemOf(field, given);
    return message === undefined ? [] : [{ path: field.path, message }];
  });
}

function problemOf(field: Exclude<Field, { kind: "group" }>, value: unknown): string | undefined {
  if (value === undefined) return field.isRequired && field.kind !== "json" ? "Expected a value" : undefined;
  switch (field.kind) {
    case "text": {
      if (typeof value !== "string") return "Expected a text";
      if (value.length < field.minLength) return `Expected at least ${field.minLength} characters, got ${value.length}`;
      if (value.length > field.maxLength) return `Expected at most ${field.maxLength} characters, got ${value.length}`;
      return fits(field.pattern, value) ? undefined : `Expected a text that matches ${field.pattern}`;
    }
    case "number":
      if (typeof value !== "number" || Number.isNaN(value)) return "Expected a number";
      if (field.isWhole && !Number.isInteger(value)) return `Expected a whole number, got ${value}`;
      if (value < field.minimum) return `Expected at least ${field.minimum}, got ${value}`;
      return value > field.maximum ? `Expected at most ${field.maximum}, got ${value}` : undefined;
    case "choice":
      return field.options.includes(value) ? undefined : "Expected one of the choices";
    case "boolean":
    case "json":
      return undefined;
  }
}

function fits(pattern: string | undefined, value: string): boolean {
  try {
    return pattern === undefined || new RegExp(pattern, "u").test(value);
  } catch {
    return true;
  }
}

/** Returns what lies at a path; `undefined` where there is nothing. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const key of path) current = isSchema(current) ? current[key] : undefined;
  return current;
}

/** Returns a copy of a value with another value at a path; `undefined` removes it. */
export function withValueAt(value: unknown, path: readonly string[], next: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return next;
  const copy: Record<string, unknown> = isSchema(value) ? { ...value } : {};
  const inner = withValueAt(copy[key], rest, next);
  if (inner === undefined) delete copy[key];
  else copy[key] = inner;
  return copy;
}

/** Reads the problems that a server tells in the details of an error: a list of `{ path, message }`. */
export function problemsIn(details: unknown): FieldProblem[] {
  const issues: unknown = isSchema(details) && Array.isArray(details["issues"]) ? details["issues"] : details;
  if (!Array.isArray(issues)) return [];
  return issues.flatMap((issue: unknown) => {
    if (!isSchema(issue) || typeof issue["message"] !== "string") return [];
    const path: unknown = issue["path"];
    const keys = Array.isArray(path)
      ? path.map((key: unknown) => (isSchema(key) ? String(key["key"]) : String(key)))
      : [];
    return [{ path: keys, message: issue["message"] }];
  });
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
