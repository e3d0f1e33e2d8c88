import { RequestMalformedError } from "@a2a-js/sdk/errors";

/** Rejects a value that does not fit its field. */
type Check = (value: unknown, path: string) => void;

/** Maximum nesting: copying or writing deeper JSON overflows the stack. */
const DEEPEST = 500;

/**
 * Rejects a value that is nested more than 500 levels deep.
 *
 * @throws RequestMalformedError
 */
export function requireDepth(value: unknown, name: string): void {
  // level by level: a recursive walk could overflow the stack itself
  let level = [value].filter(isNest);
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > DEEPEST) refuse(name, `is nested too deeply: send at most ${DEEPEST} levels`);
    level = level.flatMap((entry): unknown[] => Object.values(entry as object)).filter(isNest);
  }
}

/** Whether a value contains others; bytes contain none. */
const isNest = (value: unknown): boolean => typeof value === "object" && value !== null && !ArrayBuffer.isView(value);

function refuse(path: string, problem: string): never {
  throw new RequestMalformedError(`Field "${path}" ${problem}`);
}

const kindOf = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "a list" : typeof value === "object" ? "an object" : typeof value;

function kind(wanted: string, ...allowed: readonly string[]): Check {
  return (value, path) => {
    if (!allowed.includes(kindOf(value))) refuse(path, `must be ${wanted}: got ${kindOf(value)}`);
  };
}

const text = kind("a string", "string");
const flag = kind("true or false", "boolean");
const struct = kind("an object", "an object");
// JSON of Protocol Buffers may write numbers as strings
const int = kind("a number", "number", "string");
const enumerated = kind("the name of a value", "string", "number");

/** Checks a list without holes. */
function list(check: Check): Check {
  const isList = kind("a list", "a list");
  return (value, path) => {
    isList(value, path);
    for (const [index, entry] of (value as readonly unknown[]).entries()) check(entry, `${path}[${index}]`);
  };
}

/**
 * Checks the fields of an object. Treats `null` as absent, names in snake_case as those in camelCase, and ignores
 * unknown names.
 */
function fields(checks: Readonly<Record<string, Check>>, needed: readonly string[] = []): Check {
  const byName = new Map(Object.entries(checks));
  return (value, path) => {
    struct(value, path);
    const prefix = path === "" ? "" : `${path}.`;
    for (const [name, entry] of Object.entries(value as object)) {
      const check = byName.get(name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()));
      if (entry !== null || needed.includes(name)) check?.(entry, prefix + name);
    }
    for (const name of needed) if (!Object.hasOwn(value as object, name)) refuse(prefix + name, "is missing");
  };
}

const ids = { id: text, taskId: text, contextId: text, tenant: text };

// Version 1.0: a field has one type in all operations.

const part = fields({ text, raw: text, url: text, filename: text, mediaType: text, metadata: struct });

const target = { url: text, token: text, authentication: fields({ scheme: text, credentials: text }) };

const CURRENT = fields({
  ...ids,
  ...target,
  metadata: struct,
  message: fields({
    ...ids,
    messageId: text,
    role: enumerated,
    parts: list(part),
    metadata: struct,
    extensions: list(text),
    referenceTaskIds: list(text),
  }),
  configuration: fields({
    acceptedOutputModes: list(text),
    historyLength: int,
    returnImmediately: flag,
    taskPushNotificationConfig: fields({ ...ids, ...target }),
  }),
  historyLength: int,
  pageSize: int,
  pageToken: text,
  status: enumerated,
  statusTimestampAfter: text,
  includeArtifacts: flag,
});

// Version 0.3 over JSON-RPC: its own JSON.

const LEGACY_PARTS: ReadonlyMap<unknown, Check> = new Map([
  ["text", fields({ text, metadata: struct }, ["text"])],
  ["data", fields({ data: struct, metadata: struct }, ["data"])],
  ["file", fields({ file: legacyFile, metadata: struct }, ["file"])],
]);

function legacyFile(value: unknown, path: string): void {
  struct(value, path);
  const content = Object.hasOwn(value as object, "bytes") ? "bytes" : "uri";
  fields({ bytes: text, uri: text, mimeType: text, name: text }, [content])(value, path);
}

function legacyPart(value: unknown, path: string): void {
  struct(value, path);
  const check = LEGACY_PARTS.get((value as { readonly kind?: unknown }).kind);
  if (check === undefined) refuse(`${path}.kind`, 'must be "text", "file" or "data"');
  check(value, path);
}

const legacyTarget = fields({
  id: text,
  url: text,
  token: text,
  authentication: fields({ schemes: list(text), credentials: text }),
});

const LEGACY_FIELDS = {
  ...ids,
  metadata: struct,
  message: fields({
    ...ids,
    messageId: text,
    role: text,
    parts: list(legacyPart),
    metadata: struct,
    extensions: list(text),
    referenceTaskIds: list(text),
  }),
  configuration: fields({
    acceptedOutputModes: list(text),
    blocking: flag,
    historyLength: kind("a number", "number"),
    pushNotificationConfig: legacyTarget,
  }),
  historyLength: kind("a number", "number"),
  pushNotificationConfig: legacyTarget,
  pushNotificationConfigId: text,
};

const LEGACY = fields(LEGACY_FIELDS);
const LEGACY_SET = fields(LEGACY_FIELDS, ["pushNotificationConfig"]);

// Version 0.3 over HTTP+JSON: JSON of Protocol Buffers, with other names.

const legacyRestMessage = fields({
  ...ids,
  messageId: text,
  role: enumerated,
  content: list(
    fields({
      text,
      file: fields({ fileWithUri: text, fileWithBytes: text, mimeType: text, name: text }),
      data: fields({ data: struct }, ["data"]),
      metadata: struct,
    }),
  ),
  metadata: struct,
  extensions: list(text),
});

const LEGACY_REST = fields({
  name: text,
  metadata: struct,
  message: legacyRestMessage,
  request: legacyRestMessage,
  configuration: fields({
    acceptedOutputModes: list(text),
    blocking: flag,
    historyLength: int,
    pushNotification: legacyTarget,
  }),
  pushNotificationConfig: legacyTarget,
});

/**
 * Rejects parameters of JSON-RPC with a field that violates the protocol.
 *
 * @throws RequestMalformedError that names the field
 */
export function requireRpcParams(method: string, params: unknown): void {
  requireDepth(params, "params");
  // the SDK reports absent parameters itself
  if (kindOf(params) !== "an object") return;
  // methods of 0.3 have a slash in their name
  if (!method.includes("/")) CURRENT(params, "");
  else if (method === "tasks/pushNotificationConfig/set") LEGACY_SET(params, "");
  else LEGACY(params, "");
}

/**
 * Rejects a body over HTTP+JSON with a field that violates the protocol.
 *
 * @throws RequestMalformedError that names the field
 */
export function requireRestBody(body: unknown, isLegacy: boolean): void {
  if (body === undefined || body === null) return;
  requireDepth(body, "body");
  if (kindOf(body) !== "an object") refuse("body", `must be an object: got ${kindOf(body)}`);
  if (isLegacy) LEGACY_REST(body, "");
  else CURRENT(body, "");
}
