// The data model of A2A 1.0 as strict JSON: no required field is missing, and no field is unknown.

type Check = (value: unknown, at: string) => void;
type Fields = Readonly<Record<string, Check>>;

export interface Part {
  readonly text?: string;
  readonly raw?: string;
  readonly url?: string;
  readonly data?: unknown;
  readonly mediaType?: string;
  readonly filename?: string;
}
export interface Message {
  readonly messageId: string;
  readonly contextId?: string;
  readonly taskId?: string;
  readonly role: string;
  readonly parts: readonly Part[];
}
export interface Status {
  readonly state: string;
  readonly message?: Message;
  readonly timestamp?: string;
}
export interface Artifact {
  readonly artifactId: string;
  readonly parts: readonly Part[];
}
export interface Task {
  readonly id: string;
  readonly contextId: string;
  readonly status: Status;
  readonly artifacts?: readonly Artifact[];
  readonly history?: readonly Message[];
}
export interface Update {
  readonly taskId: string;
  readonly contextId: string;
}
export interface Event {
  readonly task?: Task;
  readonly message?: Message;
  readonly statusUpdate?: Update & { readonly status: Status };
  readonly artifactUpdate?: Update & { readonly artifact: Artifact; readonly append?: boolean };
}
export interface TaskPage {
  readonly tasks: readonly Task[];
  readonly nextPageToken: string;
  readonly pageSize: number;
  readonly totalSize: number;
}
export interface PushConfig {
  readonly id: string;
  readonly taskId: string;
  readonly url: string;
  readonly authentication?: { readonly scheme: string; readonly credentials?: string };
}
export interface Card {
  readonly name: string;
  readonly capabilities: { readonly streaming?: boolean; readonly pushNotifications?: boolean };
  readonly supportedInterfaces: readonly {
    readonly url: string;
    readonly protocolBinding: string;
    readonly protocolVersion: string;
  }[];
}

function fail(at: string, problem: string): never {
  throw new Error(`${at} ${problem}`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const object =
  (required: Fields, optional: Fields = {}): Check =>
  (value, at) => {
    if (!isObject(value)) return fail(at, `must be an object: got ${JSON.stringify(value)}`);
    for (const name of Object.keys(required)) if (!(name in value)) fail(`${at}.${name}`, "is missing");
    for (const [name, field] of Object.entries(value)) {
      const check = required[name] ?? optional[name] ?? fail(`${at}.${name}`, "is no field of it");
      check(field, `${at}.${name}`);
    }
  };

const oneOf =
  (choices: Fields, others: Fields = {}): Check =>
  (value, at) => {
    object({}, { ...choices, ...others })(value, at);
    const chosen = Object.keys(value as object).filter((name) => name in choices);
    if (chosen.length !== 1) fail(at, `must have one of ${Object.keys(choices).join(", ")}: has ${chosen.join(", ")}`);
  };

const list =
  (check: Check, least = 0): Check =>
  (value, at) => {
    if (!Array.isArray(value) || value.length < least) return fail(at, `must be a list of ${least} or more`);
    for (const [index, item] of value.entries()) check(item, `${at}[${index}]`);
  };

const mapOf =
  (check: Check): Check =>
  (value, at) => {
    if (!isObject(value)) return fail(at, "must be an object");
    for (const [key, item] of Object.entries(value)) check(item, `${at}.${key}`);
  };

const matching =
  (pattern: RegExp): Check =>
  (value, at) => {
    if (typeof value !== "string" || !pattern.test(value))
      fail(at, `must match ${String(pattern)}: got ${JSON.stringify(value)}`);
  };

const typed =
  (type: "string" | "boolean" | "number"): Check =>
  (value, at) => {
    if (typeof value !== type) fail(at, `must be a ${type}: got ${JSON.stringify(value)}`);
  };

const anything: Check = () => {};
const text = typed("string");
const flag = typed("boolean");
const named = matching(/./);
const struct = mapOf(anything);
const timestamp = matching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const role = matching(/^ROLE_(?:USER|AGENT)$/);
const state = matching(
  /^TASK_STATE_(?:SUBMITTED|WORKING|INPUT_REQUIRED|AUTH_REQUIRED|COMPLETED|FAILED|CANCELED|REJECTED)$/,
);

const part = oneOf(
  { text, raw: matching(/^[A-Za-z0-9+/]*={0,2}$/), url: named, data: anything },
  { mediaType: named, filename: named, metadata: struct },
);
const message = object(
  { messageId: named, role, parts: list(part, 1) },
  { contextId: named, taskId: named, metadata: struct, extensions: list(named), referenceTaskIds: list(named) },
);
const status = object({ state }, { message, timestamp });
const artifact = object(
  { artifactId: named, parts: list(part, 1) },
  { name: named, description: named, metadata: struct, extensions: list(named) },
);
const task = object(
  { id: named, contextId: named, status },
  { artifacts: list(artifact), history: list(message), metadata: struct },
);
const update = { taskId: named, contextId: named };
const event = oneOf({
  task,
  message,
  statusUpdate: object({ ...update, status }, { metadata: struct }),
  artifactUpdate: object({ ...update, artifact }, { append: flag, lastChunk: flag, metadata: struct }),
});
const pushConfig = object(
  { id: named, taskId: named, url: named },
  { tenant: named, token: named, authentication: object({ scheme: named }, { credentials: named }) },
);
const requirement = object({ schemes: mapOf(object({}, { list: list(named) })) });
const skill = object(
  { id: named, name: named, description: named, tags: list(named, 1) },
  {
    examples: list(named),
    inputModes: list(named),
    outputModes: list(named),
    securityRequirements: list(requirement),
  },
);
const described = { description: named };
const securityScheme = oneOf({
  apiKeySecurityScheme: object({ location: named, name: named }, described),
  httpAuthSecurityScheme: object({ scheme: named }, { ...described, bearerFormat: named }),
  oauth2SecurityScheme: object({ flows: struct }, { ...described, oauth2MetadataUrl: named }),
  openIdConnectSecurityScheme: object({ openIdConnectUrl: named }, described),
  mtlsSecurityScheme: object({}, described),
});
const card = object(
  {
    name: named,
    description: named,
    version: named,
    supportedInterfaces: list(
      object({ url: named, protocolBinding: named, protocolVersion: matching(/^\d+\.\d+$/) }, { tenant: named }),
      1,
    ),
    capabilities: object(
      {},
      {
        streaming: flag,
        pushNotifications: flag,
        extendedAgentCard: flag,
        extensions: list(object({ uri: named }, { description: named, required: flag, params: struct })),
      },
    ),
    defaultInputModes: list(named, 1),
    defaultOutputModes: list(named, 1),
    skills: list(skill, 1),
  },
  {
    provider: object({ url: named, organization: named }),
    documentationUrl: named,
    iconUrl: named,
    securitySchemes: mapOf(securityScheme),
    securityRequirements: list(requirement),
    signatures: list(object({ protected: named, signature: named }, { header: struct })),
  },
);

const reading =
  <Shape>(name: string, check: Check) =>
  (value: unknown): Shape => {
    check(value, name);
    return value as Shape;
  };

/** @throws Error that names the invalid value */
export const readTask = reading<Task>("task", task);
export const readEvent = reading<Event>("event", event);
export const readAnswer = reading<Pick<Event, "task" | "message">>("answer", oneOf({ task, message }));
export const readPushConfig = reading<PushConfig>("config", pushConfig);
export const readCard = reading<Card>("card", card);
export const readTasks = reading<TaskPage>(
  "page",
  object({ tasks: list(task), nextPageToken: text, pageSize: typed("number"), totalSize: typed("number") }),
);
export const readPushConfigs = reading<{ readonly configs?: readonly PushConfig[] }>(
  "configs",
  object({}, { configs: list(pushConfig), nextPageToken: text }),
);
export const readRpcAnswer = reading<{ readonly id: unknown; readonly result?: unknown; readonly error?: unknown }>(
  "answer",
  oneOf({ result: anything, error: anything }, { jsonrpc: matching(/^2\.0$/), id: anything }),
);

/** An error in the form both bindings use. */
export interface WireError {
  readonly code: number;
  readonly message: string;
  readonly status?: string;
  readonly details?: readonly Detail[];
}
export interface Detail {
  readonly "@type": string;
  readonly reason?: string;
  readonly domain?: string;
}
const details = list((value, at) => {
  if (!isObject(value)) fail(at, "must be an object");
  else matching(/^type\.googleapis\.com\//)(value["@type"], `${at}.@type`);
});
export const readRpcError = reading<{
  readonly code: number;
  readonly message: string;
  readonly data?: readonly Detail[];
}>("error", object({ code: typed("number"), message: named }, { data: details }));
export const readRestError = reading<{ readonly error: Required<WireError> }>(
  "error",
  object({ error: object({ code: typed("number"), status: matching(/^[A-Z_]+$/), message: named, details }) }),
);
