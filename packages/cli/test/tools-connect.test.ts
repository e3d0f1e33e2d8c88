import path from "node:path";
import { expect, test, vi } from "vitest";
import { main } from "../src/main.ts";
import { packageOf } from "../src/package-of.ts";
import { fakeIo } from "./fake-io.ts";
import { Scratch } from "./scratch.ts";

// a loaded machine takes long to start a process
vi.setConfig({ testTimeout: 120_000 });

const PETSTORE = path.resolve(import.meta.dirname, "../../tools-openapi/test/petstore-3.0.yaml");

const SERVER = `
  import { create, payloadNode } from "penguiflow";
  import { mcpServer } from "@penguiflow/tools-mcp/server";
  import { z } from "zod";
  const input = z.object({ item: z.string().describe("Name of the item"), count: z.int().optional() });
  const price = create(payloadNode({ name: "price", input }, ({ item }) => item).to(), { name: "price" });
  const free = create(payloadNode({ name: "free", input: z.object({}) }, () => 0).to(), { name: "free" });
  price.run();
  free.run();
  const tools = [
    { flow: price, description: "Prices in " + process.env.CURRENCY },
    { flow: free, description: "Counts what is free" },
  ];
  await mcpServer({ name: "shop", version: "1.0.0", tools }).serve();`;

const START = `"${process.execPath}" --conditions=@penguiflow/source server.ts`;

async function connect(folder: string, ...line: string[]) {
  const io = fakeIo(folder);
  const status = await main(["tools", "connect", ...line], io);
  return { status, printed: io.printed(), said: io.said() };
}

test("the tools of an MCP server that a command line starts are listed, with variables for its process", async () => {
  using scratch = new Scratch({ "server.ts": SERVER });
  const { status, printed, said } = await connect(scratch.folder, START, "--env", "CURRENCY=euro", "--env", "A=b=c");
  expect([status, said]).toEqual([0, "2 tools\n"]);
  expect(printed.split("\n")).toEqual([
    "TOOL   EFFECTS  DESCRIPTION",
    "price  writes   Prices in euro",
    "free   writes   Counts what is free",
    "",
  ]);
});

test("--show-tools shows their arguments, and --max how many", async () => {
  using scratch = new Scratch({ "server.ts": SERVER });
  const { printed, said } = await connect(scratch.folder, START, "--show-tools", "--max", "1");
  expect(printed).toMatch(
    /^price \(writes\)\n {2}Prices in undefined\n {2}item {4}string {3}Name of the item\n {2}count\? {2}integer\n/,
  );
  expect(printed).not.toContain("free");
  expect(said).toBe("2 tools, of which 1 are not shown: --max shows more\n");
});

test("the operations of an OpenAPI document are listed as JSON", async () => {
  using scratch = new Scratch();
  const { status, printed } = await connect(scratch.folder, PETSTORE, "--json", "--max", "2");
  const { count, tools } = JSON.parse(printed) as { count: number; tools: { name: string; inputSchema: object }[] };
  expect(status).toBe(0);
  expect(count).toBeGreaterThan(2);
  expect(tools).toHaveLength(2);
  for (const { name, inputSchema } of tools)
    expect([name, inputSchema]).toEqual([name, expect.objectContaining({ type: "object" })]);
});

test.for([
  ["a server that does not start", "no-such-server-of-penguiflow"],
  ["a URL behind which nothing listens", "http://127.0.0.1:1/mcp"],
  ["a document that is not there", "http://127.0.0.1:1/openapi.json"],
])("%s ends with 9 and names it", async ([, source = ""]) => {
  using scratch = new Scratch();
  const { status, printed, said } = await connect(scratch.folder, source);
  expect([status, printed]).toEqual([9, ""]);
  expect(said).toContain(`Cannot list the tools of ${source}: `);
});

test("a variable without a value is refused before anything starts", async () => {
  using scratch = new Scratch();
  const { status, said } = await connect(scratch.folder, START, "--env", "CURRENCY");
  expect(status).toBe(2);
  expect(said).toContain('"--env" takes NAME=VALUE: got "CURRENCY"');
});

test("a package that is missing is named with what installs it", async () => {
  using scratch = new Scratch({ "node_modules/halves/package.json": '{ "name": "halves", "exports": "./index.js" }' });
  scratch.write({ "node_modules/halves/index.js": 'import "no-such-peer";' });
  const io = fakeIo(scratch.folder);
  for (const name of ["no-such-package", "halves"])
    await expect(packageOf(io, "source", name, `${name} its-peer`)).rejects.toMatchObject({
      code: "PACKAGE_MISSING",
      message: `The source needs the package ${name} and its-peer`,
      hint: `npm install ${name} its-peer`,
    });
});
