import { expect } from "vitest";
import {
  type Detail,
  type Event,
  readAnswer,
  readCard,
  readEvent,
  readPushConfig,
  readPushConfigs,
  readRestError,
  readRpcAnswer,
  readRpcError,
  readTask,
  readTasks,
} from "./shapes.ts";

export type Json = Readonly<Record<string, unknown>>;
type Headers = Readonly<Record<string, string>>;

/** Readers of the answer to each operation; streams have events. */
const RESULTS = {
  SendMessage: readAnswer,
  SendStreamingMessage: readEvent,
  GetTask: readTask,
  ListTasks: readTasks,
  CancelTask: readTask,
  SubscribeToTask: readEvent,
  CreateTaskPushNotificationConfig: readPushConfig,
  GetTaskPushNotificationConfig: readPushConfig,
  ListTaskPushNotificationConfigs: readPushConfigs,
  DeleteTaskPushNotificationConfig: (value: unknown): void => expect(value ?? null).toBeNull(),
  GetExtendedAgentCard: readCard,
};

export type Operation = keyof typeof RESULTS;
type Result<Name extends Operation> = ReturnType<(typeof RESULTS)[Name]>;

/** Routes of the operations over HTTP+JSON. Parameters outside the path are in the query, or in the body of a POST. */
const ROUTES: Readonly<Record<Operation, readonly [method: string, path: string]>> = {
  SendMessage: ["POST", "/message:send"],
  SendStreamingMessage: ["POST", "/message:stream"],
  GetTask: ["GET", "/tasks/{id}"],
  ListTasks: ["GET", "/tasks"],
  CancelTask: ["POST", "/tasks/{id}:cancel"],
  SubscribeToTask: ["POST", "/tasks/{id}:subscribe"],
  CreateTaskPushNotificationConfig: ["POST", "/tasks/{taskId}/pushNotificationConfigs"],
  GetTaskPushNotificationConfig: ["GET", "/tasks/{taskId}/pushNotificationConfigs/{id}"],
  ListTaskPushNotificationConfigs: ["GET", "/tasks/{taskId}/pushNotificationConfigs"],
  DeleteTaskPushNotificationConfig: ["DELETE", "/tasks/{taskId}/pushNotificationConfigs/{id}"],
  GetExtendedAgentCard: ["GET", "/extendedAgentCard"],
};

/** Errors of section 5.4 of the specification and of JSON-RPC: code, HTTP status and its name. */
const ERRORS = {
  TaskNotFoundError: [-32_001, 404, "NOT_FOUND"],
  TaskNotCancelableError: [-32_002, 400, "FAILED_PRECONDITION"],
  PushNotificationNotSupportedError: [-32_003, 400, "FAILED_PRECONDITION"],
  UnsupportedOperationError: [-32_004, 400, "FAILED_PRECONDITION"],
  ContentTypeNotSupportedError: [-32_005, 400, "INVALID_ARGUMENT"],
  ExtensionSupportRequiredError: [-32_008, 400, "FAILED_PRECONDITION"],
  VersionNotSupportedError: [-32_009, 400, "FAILED_PRECONDITION"],
  InvalidParamsError: [-32_602, 400, "INVALID_ARGUMENT"],
} as const;

export type ErrorName = keyof typeof ERRORS;

/** A binding: builds the request of an operation, and reads its answers and events. */
interface Binding {
  readonly path: string;
  request(operation: Operation, params: Json, id: number): { path: string; method: string; body?: string };
  /** @throws Error when the answer is an error or invalid */
  result(body: unknown, id: number): unknown;
  /** Checks that an answer is this error in all its parts. */
  requireError(response: Response, body: unknown, id: number, name: ErrorName): void;
  readonly mediaType: string;
}

const JSON_RPC: Binding = {
  path: "/a2a/jsonrpc",
  mediaType: "application/json",
  request: (method, params, id) => ({
    path: "",
    method: "POST",
    body: JSON.stringify({ jsonrpc: "2.0", id, method, params }),
  }),
  result(body, id) {
    const { result, error } = envelope(body, id);
    if (error !== undefined) throw new Error(`The agent refuses: ${JSON.stringify(error)}`);
    return result;
  },
  requireError(response, body, id, name) {
    const { code, data } = readRpcError(envelope(body, id).error);
    expect({ status: response.status, code }).toEqual({ status: 200, code: ERRORS[name][0] });
    requireReason(name, data);
  },
};

const HTTP_JSON: Binding = {
  path: "/a2a/rest",
  mediaType: "application/a2a+json",
  request(operation, params) {
    const [method, pattern] = ROUTES[operation];
    const rest = new Map(Object.entries(params));
    const path = pattern.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const value = rest.get(name);
      rest.delete(name);
      return encodeURIComponent(String(value));
    });
    if (method === "POST") return { path, method, body: JSON.stringify(Object.fromEntries(rest)) };
    const query = new URLSearchParams(Array.from(rest, ([name, value]): [string, string] => [name, String(value)]));
    return { path: query.size === 0 ? path : `${path}?${query.toString()}`, method };
  },
  result(body) {
    const { error } = (body ?? {}) as Json;
    if (error !== undefined) throw new Error(`The agent refuses: ${JSON.stringify(error)}`);
    return body;
  },
  requireError(response, body, _id, name) {
    const { error } = readRestError(body);
    const [, code, status] = ERRORS[name];
    expect({ http: response.status, code: error.code, status: error.status }).toEqual({ http: code, code, status });
    requireReason(name, error.details);
  },
};

export const BINDINGS = { "JSON-RPC": JSON_RPC, "HTTP+JSON": HTTP_JSON } as const;
export type BindingName = keyof typeof BINDINGS;

function envelope(body: unknown, id: number) {
  const answer = readRpcAnswer(body);
  expect(answer).toMatchObject({ jsonrpc: "2.0", id });
  return answer;
}

/** Checks that an error of A2A names itself in a machine-readable reason. */
function requireReason(name: ErrorName, details: readonly Detail[] = []): void {
  if (name === "InvalidParamsError") return;
  const reason = name.replace(/Error$/, "").replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_");
  const infos = details.filter((detail) => detail["@type"] === "type.googleapis.com/google.rpc.ErrorInfo");
  expect(infos).toMatchObject([{ reason: reason.toUpperCase(), domain: "a2a-protocol.org" }]);
}

/** A caller without an SDK: it sends and reads the wire format, and validates every answer in full. */
export class WireClient {
  readonly name: BindingName;
  readonly url: string;
  readonly #binding: Binding;
  readonly #headers: Headers;
  #calls = 0;

  constructor(agentUrl: string, name: BindingName, headers: Headers = {}) {
    this.name = name;
    this.#binding = BINDINGS[name];
    this.url = agentUrl + this.#binding.path;
    this.#headers = { "content-type": "application/json", "A2A-Version": "1.0", ...headers };
  }

  /** Returns the result of an operation. */
  async ask<Name extends Operation>(operation: Name, params: Json, headers?: Headers): Promise<Result<Name>> {
    const { response, id } = await this.send(operation, params, headers);
    const body = await bodyOf(response);
    const result = this.#binding.result(body, id);
    expect(response.ok).toBe(true);
    if (body !== undefined) expect(mediaTypeOf(response)).toBe(this.#binding.mediaType);
    return RESULTS[operation](result) as Result<Name>;
  }

  /** Expects an operation to fail with an error, and validates it in full. */
  async refused(operation: Operation, params: Json, name: ErrorName, headers?: Headers): Promise<void> {
    const { response, id } = await this.send(operation, params, headers);
    expect(mediaTypeOf(response)).toBe(this.#binding.mediaType);
    this.#binding.requireError(response, await bodyOf(response), id, name);
  }

  /** Streams the events of an operation. Resolves when the stream is open. */
  async stream(
    operation: "SendStreamingMessage" | "SubscribeToTask",
    params: Json,
    headers?: Headers,
  ): Promise<Events> {
    const { response, id } = await this.send(operation, params, headers);
    expect({ status: response.status, type: mediaTypeOf(response) }).toEqual({
      status: 200,
      type: "text/event-stream",
    });
    if (response.body === null) throw new Error("The stream has no body");
    return new Events(response.body, (data) => readEvent(this.#binding.result(data, id)));
  }

  /** Returns the raw answer. */
  async send(
    operation: Operation,
    params: Json,
    headers?: Headers,
  ): Promise<{ readonly response: Response; readonly id: number }> {
    this.#calls += 1;
    const id = this.#calls;
    const { path, ...init } = this.#binding.request(operation, params, id);
    const response = await fetch(this.url + path, { ...init, headers: { ...this.#headers, ...headers } });
    return { response, id };
  }
}

/** Server-sent events, each with one line of data. */
export class Events {
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #read: (data: unknown) => Event;
  #text = "";

  constructor(body: ReadableStream<Uint8Array<ArrayBuffer>>, read: (data: unknown) => Event) {
    this.#reader = body.pipeThrough(new TextDecoderStream()).getReader();
    this.#read = read;
  }

  /** Returns the next event; `undefined` when the agent has closed the stream. */
  async next(): Promise<Event | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end >= 0) {
        const frame = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        expect(frame).toMatch(/^data: [^\n]*$/);
        return this.#read(JSON.parse(frame.slice("data: ".length)));
      }
      const { done, value } = await this.#reader.read();
      if (done) {
        expect(this.#text).toBe("");
        return undefined;
      }
      this.#text += value;
    }
  }

  /** Reads all events to the end. */
  async rest(): Promise<readonly Event[]> {
    const events: Event[] = [];
    for (let event = await this.next(); event !== undefined; event = await this.next()) events.push(event);
    return events;
  }

  /** Disconnects without reading on. */
  close(): Promise<void> {
    return this.#reader.cancel();
  }
}

export function mediaTypeOf(response: Response): string | undefined {
  return response.headers.get("content-type")?.split(";")[0];
}

async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text();
  return text === "" ? undefined : (JSON.parse(text) as unknown);
}
