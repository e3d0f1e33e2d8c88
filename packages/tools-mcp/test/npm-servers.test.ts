import { mkdtemp, readFile, realpath, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Tool } from "@penguiflow/planner";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type McpToolSource, mcpTools } from "../src/client/index.ts";
import { alice, Parked, toolContext } from "./tool-context.ts";

const require = createRequire(import.meta.url);

const programs = {
  everything: require.resolve("@modelcontextprotocol/server-everything/dist/index.js"),
  filesystem: require.resolve("@modelcontextprotocol/server-filesystem/dist/index.js"),
  memory: require.resolve("@modelcontextprotocol/server-memory/dist/index.js"),
  thinking: require.resolve("@modelcontextprotocol/server-sequential-thinking/dist/index.js"),
};

/** Starts one of the servers on npm as a child process of this Node. */
const server = (name: keyof typeof programs, ...args: readonly string[]) => ({
  command: process.execPath,
  args: [programs[name], ...args],
});

const list = async (source: McpToolSource): Promise<readonly Tool[]> =>
  await source.list({ caller: alice, credential: undefined, signal: new AbortController().signal });

const named = (tools: readonly Tool[], name: string): Tool => {
  const found = tools.find((tool) => tool.name === name);
  if (found === undefined) throw new TypeError(`No tool "${name}" among ${tools.map((tool) => tool.name).join(", ")}`);
  return found;
};

describe("server-everything", () => {
  const source = mcpTools("everything", { ...server("everything"), tools: { "get-sum": { effects: "reads" } } });
  let tools: readonly Tool[];
  beforeAll(async () => {
    tools = await list(source);
  });
  afterAll(async () => await source.close());

  test("its tools are listed, but for those that only run as tasks", () => {
    expect(tools.map(({ name }) => name)).toContain("echo");
    expect(tools.map(({ name }) => name)).not.toContain("simulate-research-query");
  });

  test("enums, ranges and defaults of a schema reach the model unchanged", () => {
    expect(named(tools, "get-annotated-message").inputSchema).toMatchObject({
      properties: { messageType: { enum: ["error", "success", "debug"] } },
      required: ["messageType"],
    });
    expect(named(tools, "get-resource-links").inputSchema).toMatchObject({
      properties: { count: { default: 3, minimum: 1, maximum: 10 } },
    });
  });

  test("text comes as text", async () => {
    const output = await named(tools, "echo").run({ message: "hi" }, toolContext());
    expect(output).toEqual({ kind: "text", text: "Echo: hi" });
  });

  test("structured content comes as JSON", async () => {
    const output = await named(tools, "get-structured-content").run({ location: "Chicago" }, toolContext());
    expect(output).toMatchObject({ kind: "json", value: { temperature: expect.any(Number) as number } });
  });

  test("an image comes as a file among texts", async () => {
    const output = await named(tools, "get-tiny-image").run({}, toolContext());
    expect(output).toMatchObject({
      kind: "content",
      parts: expect.arrayContaining([expect.objectContaining({ type: "file", mediaType: "image/png" })]) as unknown[],
    });
  });

  test("a binary resource comes as a file, a link as text", async () => {
    const blob = await named(tools, "get-resource-reference").run(
      { resourceType: "Blob", resourceId: 1 },
      toolContext(),
    );
    expect(blob).toMatchObject({
      kind: "content",
      parts: expect.arrayContaining([expect.objectContaining({ type: "file", mediaType: "text/plain" })]) as unknown[],
    });
    const links = await named(tools, "get-resource-links").run({ count: 2 }, toolContext());
    expect(links).toMatchObject({ kind: "text", text: expect.stringMatching(/demo:\/\/resource/) as string });
  });

  test("arguments that do not fit are found before the call", async () => {
    const sum = named(tools, "get-sum");
    expect(await sum.check({ a: 1, b: "two" })).toMatchObject({
      ok: false,
      problem: expect.stringMatching(/b/) as string,
    });
    expect(await sum.check({ a: 1, b: 2 })).toEqual({ ok: true, value: { a: 1, b: 2 } });
    expect(await sum.check([1, 2])).toMatchObject({ ok: false });
  });

  test("a refusal of the server is an error for the model, not a failure", async () => {
    const output = await named(tools, "get-sum").run({ a: "one" }, toolContext());
    expect(output).toMatchObject({ kind: "error", code: "TOOL_FAILED" });
  });

  test("progress is told to readers", async () => {
    const ctx = toolContext();
    await named(tools, "trigger-long-running-operation").run({ duration: 0.06, steps: 3 }, ctx);
    expect(ctx.told).toEqual([
      { progress: 1, total: 3 },
      { progress: 2, total: 3 },
      { progress: 3, total: 3 },
    ]);
  });

  test("an abort ends the call with its reason", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const ctx = toolContext({ signal: stop.signal });
    const call = named(tools, "trigger-long-running-operation").run({ duration: 30, steps: 300 }, ctx);
    await expect.poll(() => ctx.told.length).toBeGreaterThan(0);
    stop.abort(reason);
    await expect(call).rejects.toBe(reason);
  });

  test("a question of the server is asked a person, and its answer goes to the server", async () => {
    const ctx = toolContext({ answer: () => ({ name: "Ada", check: true }) });
    const output = await named(tools, "trigger-elicitation-request").run({}, ctx);
    expect(ctx.questions[0]).toMatchObject({ jsonSchema: { type: "object" }, payload: { server: "everything" } });
    expect(JSON.stringify(output)).toContain("Ada");
  });

  test("a question that parks ends the call with the error of the parking", async () => {
    await expect(named(tools, "trigger-elicitation-request").run({}, toolContext())).rejects.toBeInstanceOf(Parked);
  });

  test("null declines a question", async () => {
    const output = await named(tools, "trigger-elicitation-request").run({}, toolContext({ answer: () => null }));
    expect(JSON.stringify(output)).toMatch(/declined/i);
  });

  test("a page to visit is asked with its URL", async () => {
    const ctx = toolContext({ answer: () => ({}) });
    const url = "https://example.com/pay";
    await named(tools, "trigger-url-elicitation").run({ url }, ctx);
    expect(ctx.questions[0]?.payload).toMatchObject({ url });
  });

  test("case 41: a hint that a tool only reads does not make it laxer; one that it writes makes it stricter", async () => {
    expect(named(tools, "echo").effects).toBe("writes");
    expect(named(tools, "get-sum")).toMatchObject({ effects: "reads", maxRetries: 2 });
    const trusting = mcpTools("everything", { ...server("everything"), effects: "reads" });
    const all = await list(trusting);
    await trusting.close();
    expect(named(all, "gzip-file-as-resource").effects).toBe("idempotent");
    expect(named(all, "toggle-simulated-logging").effects).toBe("writes");
  });

  test("the process has the variables that it was given, and no secrets of this one", async () => {
    process.env["SECRET_OF_THE_TEST"] = "canary";
    const own = mcpTools("everything", { ...server("everything"), env: { GIVEN: "yes" } });
    const output = await named(await list(own), "get-env").run({}, toolContext());
    await own.close();
    delete process.env["SECRET_OF_THE_TEST"];
    expect(JSON.stringify(output)).toContain("GIVEN");
    expect(JSON.stringify(output)).not.toContain("canary");
  });
});

describe("server-filesystem", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await realpath(await mkdtemp(path.join(tmpdir(), "penguiflow-mcp-")));
  });
  afterAll(async () => await rm(folder, { recursive: true }));

  test("files are written and read, and what was refused is not offered", async () => {
    const files = mcpTools("files", { ...server("filesystem", folder), deny: ["move_file", "edit_file"] });
    const tools = await list(files);
    expect(tools.map(({ name }) => name)).not.toContain("move_file");
    const file = path.join(folder, "note.txt");
    await named(tools, "write_file").run({ path: file, content: "penguins" }, toolContext());
    expect(await readFile(file, "utf8")).toBe("penguins");
    const read = await named(tools, "read_text_file").run({ path: file }, toolContext());
    expect(JSON.stringify(read)).toContain("penguins");
    const outside = await named(tools, "read_text_file").run({ path: "/etc/hosts" }, toolContext());
    expect(outside).toMatchObject({ kind: "error", code: "TOOL_FAILED" });
    await files.close();
  });
});

describe("server-memory", () => {
  test("nested arguments arrive, and calls of one source share a process", async () => {
    const memory = mcpTools("memory", {
      ...server("memory"),
      env: { MEMORY_FILE_PATH: path.join(tmpdir(), `m-${process.pid}.json`) },
      allow: ["create_entities", "search_nodes"],
    });
    const tools = await list(memory);
    expect(tools.map(({ name }) => name)).toEqual(["create_entities", "search_nodes"]);
    const entities = [{ name: "Pingu", entityType: "penguin", observations: ["says noot"] }];
    await named(tools, "create_entities").run({ entities }, toolContext());
    const found = await named(tools, "search_nodes").run({ query: "noot" }, toolContext());
    expect(found).toMatchObject({ kind: "json", value: { entities } });
    await memory.close();
    await rm(path.join(tmpdir(), `m-${process.pid}.json`), { force: true });
  });
});

describe("server-sequential-thinking", () => {
  test("calls of one source come to one process, whose state goes on, and what does not fit is not sent", async () => {
    const thinking = mcpTools("thinking", server("thinking"));
    const [think] = (await list(thinking)) as [Tool];
    expect(think.name).toBe("sequentialthinking");
    const thought = { thought: "Penguins swim", thoughtNumber: 1, totalThoughts: 2, nextThoughtNeeded: true };
    const results = [];
    for (const thoughtNumber of [1, 2]) results.push(await think.run({ ...thought, thoughtNumber }, toolContext()));
    expect(results).toMatchObject([
      { kind: "json", value: { thoughtNumber: 1, thoughtHistoryLength: 1 } },
      { kind: "json", value: { thoughtNumber: 2, thoughtHistoryLength: 2 } },
    ]);
    expect(await think.check({ ...thought, thoughtNumber: "two" })).toMatchObject({ ok: false });
    await thinking.close();
  });
});
