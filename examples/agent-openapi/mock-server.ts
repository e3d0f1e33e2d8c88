// A mock of the server that an OpenAPI document describes: each operation answers with the example of its document.
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** The parts of a document that the mock reads. */
export interface MockedDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, MockedOperation>>>>;
}

interface MockedOperation {
  readonly operationId: string;
  readonly responses: {
    readonly 200: {
      readonly description: string;
      readonly content?: { readonly "application/json": { readonly example: unknown } };
    };
  };
}

/** A running mock. */
export interface Mock extends AsyncDisposable {
  readonly url: string;
  /** Ids of the operations that were called. */
  readonly called: readonly string[];
}

/** Serves a document on loopback. Requests without the right `api_key` get 401. */
export async function mockServer({ paths }: MockedDocument, key: string): Promise<Mock> {
  const called: string[] = [];
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, operation, pattern: patternOf(path) })),
  );
  const answer = async (request: IncomingMessage): Promise<{ status: number; body: unknown }> => {
    const { pathname } = new URL(request.url ?? "/", "http://mock.example");
    const found = operations.find(
      ({ method, pattern }) => method.toUpperCase() === request.method && pattern.test(pathname),
    );
    if (found === undefined) return { status: 404, body: { message: `No operation ${request.method} ${pathname}` } };
    if (request.headers["api_key"] !== key) return { status: 401, body: { message: "Who are you?" } };
    called.push(found.operation.operationId);
    const example = found.operation.responses[200].content?.["application/json"].example ?? null;
    if (request.method !== "POST") return { status: 200, body: example };
    return { status: 200, body: { ...(example as object), ...((await json(request)) as object) } };
  };
  const server = createServer((request, response) => {
    void answer(request).then(
      ({ status, body }) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body)),
      () => response.writeHead(400).end(),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    called,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/** Makes the pattern of a path: `/pet/{petId}` has one segment where the braces are. A path without braces has none. */
function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[0-9]+")}$`);
}
