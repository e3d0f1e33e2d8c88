import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Tool } from "@penguiflow/planner";
import { openApiTools } from "@penguiflow/tools-openapi";
import { expect, onTestFinished, test } from "vitest";
import { toolsOf } from "./api-server.ts";
import { orders } from "./orders-3.1.ts";

const petstore = path.join(import.meta.dirname, "petstore-3.0.yaml");
const server = "http://127.0.0.1:1/v1";

test("selectors are operation ids, methods with paths, methods and tags; nothing else is a tool", async () => {
  const listed = async (...operations: string[]): Promise<string[]> =>
    Object.keys(await toolsOf(openApiTools("pets", { document: petstore, server, operations })));

  expect(await listed("getPet")).toEqual(["getPet"]);
  expect(await listed("GET /pets", "DELETE")).toEqual(["listPets", "deletePet"]);
  expect(await listed("tag:pets")).toEqual(["listPets", "addPet", "getPet"]);
  expect(await listed()).toEqual([]);
  await expect(listed("getPets", "tag:dogs")).rejects.toThrow(
    'Cannot find "getPets", "tag:dogs" in the document of "pets": expected an operation id',
  );
});

test("effects follow from the method, and settings change them", async () => {
  const source = openApiTools("pets", {
    document: petstore,
    server,
    operations: "all",
    settings: {
      "tag:pets": { timeoutMs: 1000 },
      DELETE: { approval: true },
      addPet: { effects: "idempotent", name: "add", description: "Adds a pet", maxResultChars: 10 },
    },
  });

  const { listPets, replacePet, deletePet, addPhoto, add } = await toolsOf(source);

  expect(listPets).toMatchObject({ effects: "reads", maxRetries: 2, timeoutMs: 1000, approval: false });
  expect(replacePet).toMatchObject({ effects: "idempotent", timeoutMs: 30_000 });
  expect(deletePet).toMatchObject({ effects: "idempotent", approval: true });
  expect(addPhoto).toMatchObject({ effects: "writes", maxRetries: 0 });
  expect(add).toMatchObject({ effects: "idempotent", description: "Adds a pet", maxResultChars: 10, maxRetries: 2 });
});

test("a copy of a tool under another name works, as planners make one", async () => {
  const { getPet } = await toolsOf(openApiTools("", { document: petstore, server, operations: "all" }));

  const renamed = { ...(getPet as Tool), name: "pets_getPet" };

  expect(await renamed.check({ petId: "1" })).toEqual({ ok: true, value: { petId: "1" } });
});

test("a selector of settings that names no operation is refused, so that no approval is lost by a misprint", async () => {
  const settings = { deletePets: { approval: true } };
  const source = openApiTools("pets", { document: petstore, server, operations: "all", settings });

  await expect(toolsOf(source)).rejects.toThrow('Cannot find "deletePets"');
});

test("a schema of 3.0 becomes JSON Schema 2020-12, with its circles as definitions", async () => {
  const { listPets, addPet, replacePet, addPhoto } = await toolsOf(
    openApiTools("pets", { document: petstore, server, operations: "all" }),
  );

  expect(listPets?.inputSchema).toEqual({
    type: "object",
    properties: {
      limit: { type: "integer", exclusiveMinimum: 0, maximum: 100 },
      tags: { type: "array", items: { type: "string" } },
      status: { $ref: "#/$defs/Status" },
    },
    required: [],
    additionalProperties: false,
    $defs: { Status: { type: ["string", "null"], enum: ["available", "sold", null] } },
  });
  // the idempotency key is no argument, and what is read-only is not sent
  expect(addPet?.inputSchema).toEqual({
    type: "object",
    properties: { body: { $ref: "#/$defs/Pet" } },
    required: ["body"],
    additionalProperties: false,
    $defs: {
      Pet: {
        type: "object",
        required: ["name"],
        properties: {
          name: { type: "string", examples: ["Pingu"] },
          nickname: { type: ["string", "null"] },
          secret: { type: "string" },
          friends: { type: "array", items: { $ref: "#/$defs/Pet" } },
        },
      },
    },
  });
  expect(replacePet?.inputSchema).toMatchObject({ required: ["petId", "body"] });
  expect(addPhoto?.inputSchema).toMatchObject({
    properties: { body: { properties: { file: { contentEncoding: "base64" }, caption: { type: "string" } } } },
  });
});

test("names are those that models accept, and equal ones are told apart", async () => {
  const tools = await toolsOf(openApiTools("shop", { document: orders, operations: "all" }));

  expect(Object.keys(tools)).toEqual(["GET_styles_list_label_matrix", "list_orders", "order", "store", "note"]);
  expect(Object.keys(tools["list_orders"]?.inputSchema["properties"] ?? {})).toEqual(["q", "header_q", "query_body"]);

  const long = "a".repeat(80);
  const responses = { 200: { description: "ok" } };
  const document = {
    ...{ openapi: "3.1.0", info: { title: "t", version: "1" }, servers: [{ url: server }] },
    paths: { "/a": { get: { operationId: `${long}1`, responses }, post: { operationId: `${long}2`, responses } } },
  };
  const names = Object.keys(await toolsOf(openApiTools("x", { document, operations: "all" })));
  expect(names).toEqual(["a".repeat(62), `${"a".repeat(60)}_2`]);
});

test("arguments are checked, and the problem is told in words for the model", async () => {
  const { listPets, addPet, getPet } = await toolsOf(
    openApiTools("", { document: petstore, server, operations: "all" }),
  );

  expect(await listPets?.check({ limit: 5, tags: ["a"], status: null })).toMatchObject({ ok: true });
  expect(await listPets?.check({ limit: 0 })).toEqual({ ok: false, problem: "arguments/limit must be > 0" });
  expect(await listPets?.check({ limits: 1 })).toMatchObject({
    problem: "arguments must NOT have additional properties: limits",
  });
  expect(await listPets?.check({ status: "lost" })).toMatchObject({
    problem: "arguments/status must be equal to one of the allowed values: available, sold, null",
  });
  expect(await listPets?.check({ limit: "5" })).toMatchObject({ problem: "arguments/limit must be integer" });
  expect(await addPet?.check({ body: { name: "a", friends: [{}] } })).toMatchObject({
    problem: "arguments/body/friends/0 must have required property 'name'",
  });
  expect(await getPet?.check({})).toMatchObject({ ok: false });
});

test("a value cannot change the path of an operation", async () => {
  const { deletePet } = await toolsOf(openApiTools("", { document: petstore, server, operations: "all" }));

  for (const petId of ["..", ".", ""]) {
    expect(await deletePet?.check({ petId })).toMatchObject({
      ok: false,
      problem: `Cannot fill "{petId}" of the path with "${petId}": expected a name or id`,
    });
  }
  for (const petId of ["../a", "%2e%2e"]) expect(await deletePet?.check({ petId })).toMatchObject({ ok: true });
});

test("documents that are no valid OpenAPI 3.0 or 3.1 are refused, and read again the next time", async () => {
  const read = (document: string | object): Promise<unknown> =>
    toolsOf(openApiTools("", { document, operations: "all" }));

  await expect(read({ swagger: "2.0" })).rejects.toThrow(
    'Cannot read the OpenAPI document: expected a document of OpenAPI 3.0 or 3.1, got version "2.0"',
  );
  await expect(read({ ...orders, openapi: "3.2.0" })).rejects.toThrow('got version "3.2.0"');
  await expect(read({ ...orders, paths: { orders: {} } })).rejects.toThrow("must begin with a leading slash");

  const folder = await mkdtemp(path.join(tmpdir(), "openapi-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = path.join(folder, "api.json");
  const source = openApiTools("", { document: file, operations: "all" });
  await expect(toolsOf(source)).rejects.toThrow("ENOENT");
  await writeFile(file, JSON.stringify(orders));
  expect(Object.keys(await toolsOf(source))).toHaveLength(5);
});

test("a document without a server over HTTP needs one", async () => {
  await expect(toolsOf(openApiTools("", { document: petstore, operations: "all" }))).rejects.toThrow(
    'Cannot find the server of GET /pets: the document names no HTTP URL; give one as "server"',
  );
});

test.each([
  [{ operation: "all" }, 'Unknown option "operation" of openApiTools'],
  [{ operations: undefined }, 'Option "operations" must be "all" or a list of selectors: got undefined'],
  [{ document: 3 }, 'Option "document" must be a URL, a path or an object: got 3'],
  [{ server: "ftp://a" }, 'Option "server" must be an http or https URL: got "ftp://a"'],
  [{ maxResponseBytes: 0 }, 'Option "maxResponseBytes" must be a whole number of 1 or more: got 0'],
  [{ settings: { a: { aproval: true } } }, 'Unknown option "aproval" of the settings of "a"'],
  [{ settings: { a: { effects: "none" } } }, 'Option "effects" of "a" must be one of'],
  [{ settings: { a: { name: "a.b" } } }, 'Option "name" of "a" must be 1 to 64 of'],
])("wrong options are refused at once: %o", (wrong, message) => {
  const make = (): unknown => openApiTools("a", { document: petstore, operations: "all", ...(wrong as object) });
  expect(make).toThrow(message);
});
