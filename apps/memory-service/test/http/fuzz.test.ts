import { request, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { validate } from "@readme/openapi-parser";
import * as fc from "fast-check";
import { openMemory } from "@penguiflow/memory-service";
import { type MemoryServer, serveMemory } from "@penguiflow/memory-service/http";
import { expect, onTestFinished, test } from "vitest";
import { type ApiDocument, type MadeRequest, noRequests, requestsOf } from "./requests.ts";

const { MEMORY_REQUESTS, MEMORY_SEED } = process.env;
const timeout = 300_000;
// a run of every day is the same each time; a long one is not
const seeded = (numRuns: number) => ({
  numRuns: Number(MEMORY_REQUESTS ?? numRuns),
  ...(MEMORY_REQUESTS === undefined || MEMORY_SEED !== undefined ? { seed: Number(MEMORY_SEED ?? 1) } : {}),
});

async function served(): Promise<MemoryServer> {
  const memory = await openMemory();
  const server = await serveMemory(memory);
  onTestFinished(async () => {
    await server.close();
    await memory.close();
  });
  return server;
}

async function documentOf({ url }: MemoryServer): Promise<ApiDocument> {
  return (await (await fetch(`${url}/openapi.json`)).json()) as ApiDocument;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function ask({ url, token }: MemoryServer, { method, path, headers, body }: MadeRequest): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
  const options = { method, headers: { authorization: `Bearer ${token}`, ...headers, ...length } };
  const { hostname, port } = new URL(url);
  const sent = request({ hostname, port, path, ...options }, (answer) => {
    const { statusCode: status = 0, headers: told } = answer;
    text(answer).then((given) => resolve({ status, headers: told, body: given }), reject);
  });
  sent.on("error", reject);
  sent.end(body);
  return await promise;
}

interface Problem {
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly issues?: readonly { readonly path: readonly unknown[]; readonly message: string }[];
}

/** Returns the fault of a problem that does not name what was wrong: a code, and for input that does not fit each place. */
function faultOf({ status, headers, body }: Answer, method: string): string | undefined {
  // refused by Node before the service is asked
  if (status === 431) return undefined;
  if (headers["content-type"] !== "application/problem+json") return `has the type ${headers["content-type"]}`;
  if (method === "HEAD") return undefined;
  const { title, status: told, code, issues = [] } = JSON.parse(body) as Problem;
  if (told !== status || !/^[A-Z_]+$/.test(code) || !/\w/.test(title)) return `says ${body}`;
  if (status !== 400) return undefined;
  const names = issues.every(
    ({ path, message }) => Array.isArray(path) && /\w/.test(message) && message !== "Invalid input",
  );
  return names && issues.length > 0 ? undefined : `does not name a place: ${body}`;
}

test("the OpenAPI document is valid", async () => {
  const document = await documentOf(await served());
  expect(await validate(document as never)).toMatchObject({ valid: true, warnings: [] });
});

test(
  "random requests are answered as documented, or with a problem that names what was wrong",
  { timeout },
  async () => {
    const server = await served();
    const ids: string[] = [];
    for (const user of ["ada", "bob"]) {
      const headers = { "content-type": "application/json", "memory-user": user };
      const body = JSON.stringify({ text: "The gate code is 4711." });
      const made = { method: "POST", path: "/v1/fragments", headers, body, documented: undefined };
      ids.push((JSON.parse((await ask(server, made)).body) as { id: string }).id);
    }
    const statuses = new Map<number, number>();
    // the latest fragments: earlier ones are erased in between
    const latest = fc.nat(3).map((place) => ids.at(-1 - place) ?? "none");
    const known = fc.oneof({ weight: 5, arbitrary: latest }, fc.constantFrom("local", "bob"));
    const requests = requestsOf(await documentOf(server), known);
    const property = fc.asyncProperty(requests, async (made) => {
      const answer = await ask(server, made);
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      expect(answer.status).toBeLessThan(500);
      if (answer.status === 201) ids.push((JSON.parse(answer.body) as { id: string }).id);
      const { documented = [answer.status] } = made;
      const isDocumented = answer.status >= 400 || documented.includes(answer.status);
      const fault = answer.status < 400 ? undefined : faultOf(answer, made.method);
      expect([fault, isDocumented]).toEqual([undefined, true]);
    });
    await fc.assert(property, seeded(1_500));
    // most requests get through to the memory, or the test says little
    const passed = [...statuses].filter(([status]) => status < 400).reduce((sum, [, count]) => sum + count, 0);
    expect(passed).toBeGreaterThan(300);
    expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 201, 204, 400, 401, 404, 405, 415]));
  },
);

test("a cursor that was given for no list is refused, whatever its letters", async () => {
  const server = await served();
  for (const cursor of ["a.b", "é.é", `a.${"é".repeat(43)}`, ".", "W10."]) {
    const path = `/v1/fragments?cursor=${encodeURIComponent(cursor)}`;
    const answer = await ask(server, { method: "GET", path, headers: {}, body: undefined, documented: undefined });
    expect(answer.status).toBe(400);
    expect(answer.body).toContain("cursor");
  }
});

test("bytes that are no request are refused, and the server goes on", { timeout }, async () => {
  const server = await served();
  const port = Number(new URL(server.url).port);
  const property = fc.asyncProperty(noRequests, async (bytes) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.end(bytes, "latin1");
    const answer = await text(socket).catch(() => "");
    expect(answer).toMatch(/^(HTTP\/1\.1 4\d\d |HTTP\/1\.1 200 OK|$)/);
  });
  await fc.assert(property, seeded(200));
  expect((await fetch(`${server.url}/openapi.json`)).status).toBe(200);
});
