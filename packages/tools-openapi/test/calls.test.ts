import path from "node:path";
import { OpenApiError, openApiTools } from "@penguiflow/tools-openapi";
import { expect, test } from "vitest";
import { callTool, json, serveApi, toolsOf } from "./api-server.ts";
import { orders } from "./orders-3.1.ts";

const petstore = path.join(import.meta.dirname, "petstore-3.0.yaml");
const credential = "canary-4711";

test("a call sends what the document says, and JSON comes back as JSON", async () => {
  const { url, received } = await serveApi((_, response) => json(response, [{ id: 1, name: "Pingu" }]));
  const { listPets } = await toolsOf(
    openApiTools("pets", { document: petstore, server: `${url}/v1`, operations: "all" }),
  );

  const output = await callTool(listPets, { limit: 2, tags: ["a b", "c&d"], status: null }, { credential });

  expect(output).toEqual({ kind: "json", value: [{ id: 1, name: "Pingu" }] });
  expect(received).toMatchObject([
    { method: "GET", url: "/v1/pets?limit=2&tags=a%20b&tags=c%26d", headers: { "x-api-key": credential } },
  ]);
});

test("styles of parameters are serialised as the specification says", async () => {
  const { url, received } = await serveApi((_, response) => json(response, {}));
  const tools = await toolsOf(openApiTools("", { document: orders, server: url, operations: "all" }));

  await callTool(tools["GET_styles_list_label_matrix"], {
    list: ["a/b", "c"],
    label: ["x", "y"],
    matrix: { r: 1, g: 2 },
    form: [1, 2],
    space: ["a", "b"],
    pipe: ["a", "b"],
    filter: { color: "red", size: { min: 1 }, tags: ["p", "q"] },
    page: { offset: 5, limit: null },
    callback: "https://a.example/?x=1&admin=1",
    where: { a: [1] },
    "X-Flags": { a: 1, b: true },
    session: "s 1",
  });

  const [{ url: asked, headers }] = received as [(typeof received)[number]];
  const split = asked.indexOf("?");
  expect(asked.slice(0, split)).toBe("/styles/a%2Fb,c/.x.y/;r=1;g=2");
  expect(asked.slice(split + 1).split("&")).toEqual([
    ...["form=1,2", "space=a%20b", "pipe=a%7Cb"],
    ...["filter%5Bcolor%5D=red", "filter%5Bsize%5D%5Bmin%5D=1", "filter%5Btags%5D=p", "filter%5Btags%5D=q"],
    ...["offset=5", "callback=https://a.example/?x=1%26admin=1", "where=%7B%22a%22%3A%5B1%5D%7D"],
  ]);
  expect(headers).toMatchObject({ "x-flags": "a=1,b=true", cookie: "session=s%201" });
});

test("a header that cannot be sent is told to the model", async () => {
  const tools = await toolsOf(openApiTools("", { document: orders, operations: "all" }));

  expect(await tools["list_orders"]?.check({ header_q: "a\r\nx-admin: 1" })).toEqual({
    ok: false,
    problem: 'Cannot send "header_q" as a header: expected text of Latin-1 without line breaks',
  });
});

test("bodies are sent as JSON, form, multipart, file or text", async () => {
  const { url, received } = await serveApi((_, response) => response.writeHead(204).end());
  const pets = await toolsOf(openApiTools("", { document: petstore, server: url, operations: "all" }));
  const shop = await toolsOf(openApiTools("", { document: orders, server: url, operations: "all" }));
  const both = { schemes: { query: "q&1", cookie: "c 1" } };

  const done = await callTool(pets["addPet"], { body: { name: "Pingu" } }, { credential });
  const to = { body: { what: "a b", items: ["1", "2"], to: { city: "x" }, size: { w: 1 } } };
  await callTool(shop["order"], to, { credential });
  const photo = { body: { file: btoa("\u0089PNG"), caption: "me", place: { x: 1 } } };
  await callTool(pets["addPhoto"], { petId: "7", ...photo }, { credential });
  await callTool(shop["store"], { body: btoa("bytes") }, { credential: both });
  await callTool(shop["note"], { body: "<a/>" });

  expect(done).toEqual({ kind: "text", text: "HTTP 204, without a body" });
  const [json_, form, multipart, file, text] = received;
  expect(json_).toMatchObject({
    body: '{"name":"Pingu"}',
    headers: { "content-type": "application/json", "idempotency-key": "key-1" },
  });
  expect(form).toMatchObject({
    body: "what=a%20b&items=1&items=2&to=%7B%22city%22%3A%22x%22%7D&size%5Bw%5D=1",
    headers: { "content-type": "application/x-www-form-urlencoded", authorization: `Bearer ${credential}` },
  });
  expect(multipart?.headers["content-type"]).toMatch(/^multipart\/form-data; boundary=/);
  expect(multipart?.body).toMatch(
    /name="file"; filename="file"\r\nContent-Type: application\/octet-stream\r\n\r\n\u0089PNG/,
  );
  expect(multipart?.body).toMatch(/name="caption"\r\n\r\nme/);
  expect(multipart?.body).toMatch(/name="place"; filename="blob"\r\nContent-Type: application\/json\r\n\r\n\{"x":1\}/);
  expect(file).toMatchObject({
    ...{ method: "PUT", url: "/files?api_key=q%261", body: "bytes" },
    headers: { cookie: "sid=c%201", "content-type": "application/octet-stream" },
  });
  expect(text).toMatchObject({ body: "<a/>", headers: { "content-type": "application/xml" } });
  expect(text?.headers.authorization).toBeUndefined();
});

test("a form whose body is no object is told to the model", async () => {
  const forms = structuredClone(orders) as unknown as { paths: { "/orders": { post: { requestBody: unknown } } } };
  forms.paths["/orders"].post.requestBody = { content: { "application/x-www-form-urlencoded": {} } };
  const { order } = await toolsOf(openApiTools("", { document: forms, operations: ["order"] }));

  for (const body of ["a=1", ["a"], null]) {
    expect(await order?.check({ body })).toEqual({
      ok: false,
      problem: 'Cannot send "body" as a form: expected an object with its fields',
    });
  }
});

test("the first way to sign in for which there is a credential is taken, and no other gets one", async () => {
  const { url, received } = await serveApi((_, response) => json(response, {}));
  const shop = await toolsOf(openApiTools("", { document: orders, server: url, operations: "all" }));
  const own = { type: "apiKey", in: "header", name: "X-Own" } as const;
  const owned = await toolsOf(openApiTools("", { document: orders, server: url, operations: "all", security: own }));
  const args = { body: { what: "a" } };

  await callTool(shop["order"], args, { credential: { username: "ann", password: "secret" } });
  await callTool(shop["order"], args, { credential: { schemes: { name: { username: "ann", password: "secret" } } } });
  await callTool(shop["list_orders"], {}, { credential });
  await callTool(shop["note"], { body: "" }, { credential });
  await callTool(shop["note"], { body: "" }, { credential: null });
  await callTool(owned["list_orders"], {}, { credential });

  const basic = `Basic ${btoa("ann:secret")}`;
  expect(received.map(({ headers }) => headers.authorization)).toEqual([
    ...[basic, basic, undefined, `Bearer ${credential}`, undefined, undefined],
  ]);
  expect(received.at(-1)?.headers["x-own"]).toBe(credential);
  await expect(callTool(shop["store"], {}, { credential })).rejects.toThrow(
    'Cannot call PUT /files: expected a credential for "query" with "cookie"; return it from "credentials"',
  );
  expect(received).toHaveLength(6);
});

test("a parameter that carries the credential is no argument of the model", async () => {
  const document = {
    ...{ openapi: "3.0.3", info: { title: "t", version: "1" }, servers: [{ url: "http://127.0.0.1:1" }] },
    security: [{ key: [] }],
    components: { securitySchemes: { key: { type: "apiKey", in: "header", name: "X-Key" } } },
    paths: {
      "/a": {
        get: {
          operationId: "a",
          parameters: ["x-key", "Authorization", "X-Trace"].map((name) => ({
            ...{ name, in: "header", schema: { type: "string" } },
          })),
          responses: { 200: { description: "ok" } },
        },
      },
    },
  };

  const { a } = await toolsOf(openApiTools("", { document, operations: "all" }));

  expect(Object.keys(a?.inputSchema["properties"] ?? {})).toEqual(["X-Trace"]);
});

test("text comes back as text, and other types as a file with its name", async () => {
  const { url } = await serveApi(({ url: at }, response) => {
    if (at.endsWith("photo"))
      response.writeHead(200, { "content-type": "image/png", "content-disposition": 'inline; filename="../p.png"' });
    else if (at.endsWith("latin")) {
      response.writeHead(200, { "content-type": "text/plain; charset=ISO-8859-1" }).end(Buffer.from("hé", "latin1"));
      return;
    } else response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
    response.end("héllo");
  });
  const { getPhoto, getPet } = await toolsOf(openApiTools("", { document: petstore, server: url, operations: "all" }));

  expect(await callTool(getPet, { petId: "1" }, { credential })).toEqual({ kind: "text", text: "héllo" });
  expect(await callTool(getPet, { petId: "latin" }, { credential })).toEqual({ kind: "text", text: "hé" });
  expect(await callTool(getPhoto, { petId: "1" }, { credential })).toEqual({
    kind: "content",
    parts: [{ type: "file", mediaType: "image/png", data: Buffer.from("héllo").toString("base64"), filename: "p.png" }],
  });
});

test("answers are checked with validateResponses, and the model hears that the call was made", async () => {
  const { url } = await serveApi((_, response) => json(response, { id: "one", name: null }));
  const options = { document: petstore, server: url, operations: "all" } as const;
  const { getPet } = await toolsOf(openApiTools("", options));
  const checked = await toolsOf(openApiTools("", { ...options, validateResponses: true }));

  expect(await callTool(getPet, { petId: "1" }, { credential })).toMatchObject({ kind: "json" });
  expect(await callTool(checked["getPet"], { petId: "1" }, { credential })).toEqual({
    kind: "error",
    code: "OUTPUT_INVALID",
    text: "HTTP 200: the call was made, and its answer breaks the schema: answer/id must be integer; answer/name must be string",
  });
});

test("an answer over the limit is refused, not cut", async () => {
  const { url } = await serveApi((_, response) => json(response, "x".repeat(1000)));
  const options = { document: petstore, server: url, operations: "all", maxResponseBytes: 1000 } as const;
  const { getPet } = await toolsOf(openApiTools("", options));

  await expect(callTool(getPet, { petId: "1" }, { credential })).rejects.toThrow(
    "Cannot take the answer of GET /pets/{petId}: it has more than 1000 bytes",
  );
});

test("an error has the status, a bounded body and what Retry-After says", async () => {
  const later = new Date(Date.now() + 60_000).toUTCString();
  const statuses: [number, Record<string, string>][] = [
    [404, {}],
    [429, { "retry-after": "7" }],
    [503, { "retry-after": later }],
  ];
  const { url } = await serveApi((_, response) => {
    const [status, headers] = statuses.shift() ?? [500, {}];
    json(response, { message: "no ".repeat(5000) }, status, headers);
  });
  const { getPet } = await toolsOf(openApiTools("", { document: petstore, server: url, operations: "all" }));
  const failure = async (): Promise<OpenApiError> =>
    await callTool(getPet, { petId: "1" }, { credential }).then(
      () => expect.fail("there was no error"),
      (error: unknown) => error as OpenApiError,
    );

  const missing = await failure();
  expect(missing).toBeInstanceOf(OpenApiError);
  expect(missing).toMatchObject({ status: 404, retryable: false, retryAfterMs: undefined });
  expect(missing.message).toMatch(/^GET \/pets\/\{petId\} answered with HTTP 404: \{"message":"no no/);
  expect(missing.body).toHaveLength(2000);
  expect(await failure()).toMatchObject({ status: 429, retryable: true, retryAfterMs: 7000 });
  const { retryAfterMs = 0 } = await failure();
  expect(retryAfterMs).toBeGreaterThan(50_000);
  expect(retryAfterMs).toBeLessThanOrEqual(60_000);
});

test("a server that repeats a credential does not get it into results or errors", async () => {
  const { url } = await serveApi(({ url: at, headers }, response) => {
    json(response, { [String(headers["x-api-key"])]: [headers], at }, at.endsWith("bad") ? 400 : 200);
  });
  const { getPet } = await toolsOf(openApiTools("", { document: petstore, server: url, operations: "all" }));

  const output = await callTool(getPet, { petId: "1" }, { credential });
  const error = await callTool(getPet, { petId: "bad" }, { credential }).then(
    () => expect.fail("there was no error"),
    (thrown: unknown) => thrown as OpenApiError,
  );

  expect(JSON.stringify(output)).toContain("[credential]");
  expect(JSON.stringify(output)).not.toContain(credential);
  expect(error.body).toContain("[credential]");
  expect(`${error.message}${error.body}${error.stack}`).not.toContain(credential);
});

test("a server that cannot be reached is named with the cause, without the query that has the key", async () => {
  const shop = await toolsOf(openApiTools("", { document: orders, server: "http://127.0.0.1:1", operations: "all" }));
  const both = { schemes: { query: credential, cookie: credential } };

  const error = await callTool(shop["store"], {}, { credential: both }).then(
    () => expect.fail("there was no error"),
    (thrown: unknown) => thrown as OpenApiError,
  );

  expect(error).toMatchObject({ retryable: true, status: undefined });
  expect(error.message).toMatch(/^Cannot call PUT \/files: /);
  expect(`${error.message}${error.stack}`).not.toContain(credential);
});

test("reads follow redirects at the server, and no call follows one that leaves it", async () => {
  const other = await serveApi((_, response) => json(response, "stolen"));
  const { url, received } = await serveApi(({ url: at }, response) => {
    if (at === "/pets/1") response.writeHead(302, { location: "/pets/2" }).end();
    else if (at === "/pets/2") json(response, "two");
    else if (at === "/pets/loop") response.writeHead(302, { location: "/pets/loop" }).end();
    else if (at === "/pets/away") response.writeHead(307, { location: `${other.url}/pets` }).end();
    else response.writeHead(307, { location: "/pets/2" }).end();
  });
  const { getPet, deletePet } = await toolsOf(openApiTools("", { document: petstore, server: url, operations: "all" }));

  expect(await callTool(getPet, { petId: "1" }, { credential })).toEqual({ kind: "json", value: "two" });
  await expect(callTool(getPet, { petId: "away" }, { credential })).rejects.toThrow(
    `Cannot follow the redirect of GET /pets/{petId} to ${other.url}: calls stay at ${url}`,
  );
  await expect(callTool(getPet, { petId: "loop" }, { credential })).rejects.toThrow("at most five");
  await expect(callTool(deletePet, { petId: "3" }, { credential })).rejects.toThrow("only reads follow redirects");
  expect(other.received).toEqual([]);
  expect(received.filter(({ method }) => method === "DELETE")).toHaveLength(1);
});

test("abort ends a call, also in the midst of its answer, with the signal's reason", async () => {
  const aborting = new AbortController();
  const reason = new Error("the run is over");
  const { url } = await serveApi((_, response) => {
    response.writeHead(200, { "content-type": "application/json" }).write("[");
  });
  const source = openApiTools("", {
    ...{ document: petstore, server: url, operations: "all" },
    fetch: async (...given) => {
      const response = await fetch(...given);
      aborting.abort(reason);
      return response;
    },
  });
  const { getPet } = await toolsOf(source);
  const { signal } = aborting;

  await expect(callTool(getPet, { petId: "1" }, { credential, signal })).rejects.toBe(reason);
});
