import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, expect, test } from "vitest";

const directory = mkdtempSync(path.join(os.tmpdir(), "memory-command-"));
afterAll(() => rmSync(directory, { recursive: true }));

const BIN = path.resolve(import.meta.dirname, "../../src/bin.ts");

function start(...args: string[]) {
  return spawn(
    process.execPath,
    ["--conditions=@penguiflow/source", "--no-warnings", BIN, ...args, "--directory", directory],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
}

async function statusOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  const [status, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals];
  return status ?? signal;
}

async function run(...args: string[]) {
  const child = start(...args);
  const [printed, said, status] = await Promise.all([text(child.stdout), text(child.stderr), statusOf(child)]);
  return { printed, said, status };
}

test("serve answers until it is told to stop, and export prints what it has kept", async () => {
  const server = start("serve", "--port", "0", "--user", "ada");
  let printed = "";
  for await (const chunk of server.stdout.setEncoding("utf8")) {
    printed += chunk as string;
    if (printed.includes("Bearer")) break;
  }
  const [, url = "", token = ""] = /Listening on (\S+),.*\nPage: .*\nAuthorization: Bearer (\S+)/.exec(printed) ?? [];
  const response = await fetch(`${url}/v1/fragments`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ text: "The gate code is 4711." }),
  });
  expect(response.status).toBe(201);
  const ended = statusOf(server);
  server.kill("SIGTERM");
  expect([await ended, await text(server.stderr)]).toEqual([0, ""]);
  const exported = await run("export", "--user", "ada");
  expect(JSON.parse(exported.printed)).toMatchObject({ text: "The gate code is 4711.", owner: "ada" });
});

test("key prints a secret, and doctor tells that each file is whole", async () => {
  const key = await run("key", "--tenant", "house", "--user", "ada");
  expect(key).toMatchObject({ status: 0, printed: expect.stringMatching(/^pgm_\S{43}\n$/) as string });
  const examined = await run("doctor");
  expect(examined.status).toBe(0);
  expect(examined.printed).toContain("ok   catalog.db: whole\n");
});

test("what a client of mcp has sent before it leaves is kept and answered", async () => {
  const client = { capabilities: {}, clientInfo: { name: "hasty", version: "1" }, protocolVersion: "2025-06-18" };
  const saves = Array.from({ length: 20 }, (_, id) => ({
    id,
    method: "tools/call",
    params: { name: "memory_save", arguments: { text: `said in haste, ${id}` } },
  }));
  const messages = [
    { id: "first", method: "initialize", params: client },
    { method: "notifications/initialized" },
    ...saves,
  ];
  const child = start("mcp", "--user", "hasty");
  child.stdin.end(messages.map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`).join(""));
  const [answers, status] = await Promise.all([text(child.stdout), statusOf(child)]);
  expect([status, answers.match(/Saved as/g)]).toMatchObject([0, { length: 20 }]);
  expect((await run("export", "--user", "hasty")).printed.match(/in haste/g)).toHaveLength(20);
});

test("serve ends when its second port is taken, and names it", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const { status, said } = await run("serve", "--port", String(port - 1));
  other.close();
  expect(said).toContain(`Cannot listen on 127.0.0.1:${port}: another program uses it`);
  expect(status).toBe(1);
});

test("a file that is no database is named by doctor, and export says what is wrong with it", async () => {
  writeFileSync(
    path.join(directory, "tenants", "broken.db"),
    "no database, but long enough to be taken for one".repeat(9),
  );
  expect(await run("export", "--tenant", "broken")).toMatchObject({
    status: 1,
    said: expect.stringContaining("file is not a database") as string,
  });
  const examined = await run("doctor");
  rmSync(path.join(directory, "tenants", "broken.db"));
  expect(examined).toMatchObject({ status: 1, said: "" });
  expect(examined.printed).toContain(`FAIL ${path.join("tenants", "broken.db")}: file is not a database`);
});

test.for([
  [["fly"], 'Unknown command "fly": expected serve, mcp, key, export, eval or doctor'],
  [["eval", "--embedder", "openai:x"], 'Option "--embedder" must be none, hash, openai:URL,MODEL,DIMS'],
  [["serve", "--prot", "1"], "--prot"],
  [["export", "--tenant", "House"], 'tenant must match ^[a-z0-9-]{1,63}$: got "House"'],
  [["serve", "--port", "x"], 'must be a whole number from 0 to 65534: got "x"'],
] as const)("%s cannot be followed: it says why", async ([args, why]) => {
  const { status, said } = await run(...args);
  expect(status).toBe(2);
  expect(said).toContain(why);
});
