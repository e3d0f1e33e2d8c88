import path from "node:path";
import { Client, StreamableHTTPClientTransport, type Transport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { openMemory } from "@penguiflow/memory-service";
import { type MemoryServer, serveMemory } from "@penguiflow/memory-service/http";
import { describe, expect, onTestFinished, test } from "vitest";
import { ownFolder } from "../own-memory.ts";

const ERAS = ["legacy", "modern"] as const;
type Era = (typeof ERAS)[number];

async function connected(era: Era, transport: Transport): Promise<Client> {
  const versionNegotiation = { mode: era === "modern" ? ("auto" as const) : ("legacy" as const) };
  const client = new Client({ name: "tester", version: "1.0.0" }, { versionNegotiation });
  await client.connect(transport);
  onTestFinished(async () => await client.close());
  return client;
}

function overStdio(directory: string): Transport {
  const bin = path.resolve(import.meta.dirname, "../../src/bin.ts");
  const own = ["--conditions=@penguiflow/source", "--no-warnings", bin];
  const args = [...own, "mcp", "--directory", directory, "--user", "ada"];
  return new StdioClientTransport({ command: process.execPath, args });
}

function overHttp({ url, token }: MemoryServer, proof: Record<string, string> = {}): Transport {
  const headers = { authorization: `Bearer ${token}`, ...proof };
  return new StreamableHTTPClientTransport(new URL("/mcp", url), { requestInit: { headers } });
}

async function served(sharing?: boolean): Promise<MemoryServer> {
  const memory = await openMemory();
  const server = await serveMemory(memory, { sharing });
  onTestFinished(async () => {
    await server.close();
    await memory.close();
  });
  return server;
}

/** Goes through all that the server offers, as a coding agent does. */
async function talk(client: Client): Promise<void> {
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(["memory_save", "memory_search", "memory_feedback", "memory_forget"]);
  expect(tools.every(({ outputSchema }) => outputSchema !== undefined)).toBe(true);
  const call = async (name: string, given: Record<string, unknown>) =>
    await client.callTool({ name, arguments: given });
  const saved = await call("memory_save", { text: "Deploy with npm run ship." });
  const [id] = (saved.structuredContent as { ids: string[] }).ids;
  const found = await call("memory_search", { query: "how do we deploy" });
  expect(found.structuredContent).toMatchObject({ items: [{ id, text: "Deploy with npm run ship." }] });
  expect((await call("memory_feedback", { id, helpful: true })).structuredContent).toEqual({ applied: true });
  const { resourceTemplates } = await client.listResourceTemplates();
  expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(["memory://fragments/{id}"]);
  const { contents } = await client.readResource({ uri: `memory://fragments/${id}` });
  expect(JSON.parse((contents[0] as { text: string }).text)).toMatchObject({ id });
  const { messages } = await client.getPrompt({ name: "recall", arguments: { topic: "deploy" } });
  expect(messages).toMatchObject([{ content: { text: expect.stringContaining("npm run ship") as string } }]);
  await call("memory_forget", { id });
  expect((await call("memory_search", { query: "deploy" })).structuredContent).toMatchObject({ items: [] });
  await expect(client.readResource({ uri: `memory://fragments/${id}` })).rejects.toThrow(id);
  const gone = await call("memory_forget", { id });
  expect(gone).toMatchObject({ isError: true, content: [{ text: expect.stringMatching(/^NOT_FOUND: /) as string }] });
}

describe.each(ERAS)("a %s client", (era) => {
  test("saves, finds, rates, reads and forgets over stdio", { timeout: 120_000 }, async () => {
    const client = await connected(era, overStdio(ownFolder()));
    expect(client.getProtocolEra()).toBe(era);
    await talk(client);
  });

  test("saves, finds, rates, reads and forgets over HTTP", async () => {
    const client = await connected(era, overHttp(await served()));
    expect(client.getProtocolEra()).toBe(era);
    await talk(client);
  });
});

describe("MCP over HTTP", () => {
  test("works for the principal of the request, and shares only where the server allows it", async () => {
    const server = await served(true);
    const ada = await connected("modern", overHttp(server, { "memory-user": "ada" }));
    const bob = await connected("legacy", overHttp(server, { "memory-user": "bob" }));
    const saved = await ada.callTool({ name: "memory_save", arguments: { text: "The gate code is 4711." } });
    const search = { name: "memory_search", arguments: { query: "gate" } };
    expect((await bob.callTool(search)).structuredContent).toMatchObject({ items: [] });
    const [id] = (saved.structuredContent as { ids: string[] }).ids;
    await ada.callTool({ name: "memory_share", arguments: { id, with: "bob" } });
    expect((await bob.callTool(search)).structuredContent).toMatchObject({ items: [{ id, owner: "ada" }] });
  });

  test("is closed to callers without proof, and to pages of other sites", async () => {
    const { url, token } = await served();
    const ask = async (headers: Record<string, string>): Promise<number> => {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
      const both = { "content-type": "application/json", accept: "application/json, text/event-stream" };
      return (await fetch(`${url}/mcp`, { method: "POST", headers: { ...both, ...headers }, body })).status;
    };
    const authorization = `Bearer ${token}`;
    expect(await ask({})).toBe(401);
    expect(await ask({ authorization, origin: "https://elsewhere.example" })).toBe(403);
    expect(await ask({ authorization })).toBe(200);
  });
});
