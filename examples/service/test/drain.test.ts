import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get, type IncomingMessage, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { text as textOf } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { readPrometheusText } from "./prometheus-text.ts";
import { bearer, gatedLibrary, longLibrary, startService, TOKENS } from "./start-service.ts";

const MAIN = path.resolve(import.meta.dirname, "../main.ts");
const REPOSITORY = path.resolve(import.meta.dirname, "../../..");

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "service-"));
  // an answer of 20 MB: more than the buffers between two processes hold
  const passages = Array.from({ length: 20 }, (_, index) => `Penguins ${index} ${"a ".repeat(500_000)}`);
  await writeFile(path.join(folder, "long.md"), passages.join("\n\n"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the service as `npm run example` does, in a process of its own, and waits until it is ready. */
async function startProcess(environment: Readonly<Record<string, string>>) {
  const tenants = [{ name: "acme", token: TOKENS.acme, documents: folder }];
  const child = spawn(process.execPath, ["--conditions=@penguiflow/source", MAIN], {
    cwd: REPOSITORY,
    env: { ...process.env, PORT: "0", ADMIN_PORT: "0", TENANTS: JSON.stringify(tenants), ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: Record<string, unknown>[] = [];
  const ready = Promise.withResolvers<{ url: string; adminUrl: string }>();
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (line) => {
      const entry = JSON.parse(line) as Record<string, unknown>;
      lines.push(entry);
      if (entry["message"] === "ready") ready.resolve(entry as never);
    });
  }
  const exited = once(child, "exit") as Promise<[status: number | null, signal: string | null]>;
  const { url, adminUrl } = await Promise.race([
    ready.promise,
    exited.then(() => Promise.reject(new Error("The service has not started"))),
  ]);
  return {
    url,
    adminUrl,
    lines,
    exited,
    told: (message: string) => told(lines, message),
    child,
    [Symbol.dispose]: () => kill(child),
  };
}

function kill(child: ChildProcess): void {
  if (child.exitCode === null) child.kill("SIGKILL");
}

async function told(lines: readonly Record<string, unknown>[], message: string): Promise<void> {
  await expect.poll(() => lines.some((line) => line["message"] === message), { timeout: 10_000 }).toBe(true);
}

describe("a service that is told to stop", { timeout: 60_000 }, () => {
  test("finishes what it has accepted, refuses the rest, and exits with 0", async () => {
    using service = await startProcess({ DRAIN_DELAY_MS: "0", DRAIN_MS: "30000" });
    const { url, adminUrl } = service;

    // a stream with a slow reader, a request whose body is still arriving, an idle socket
    const streaming = get(`${url}?question=penguins&limit=20`, {
      headers: { ...bearer("acme"), accept: "text/event-stream" },
    });
    const [stream] = (await once(streaming, "response")) as [IncomingMessage];
    const half = httpRequest(url, {
      method: "POST",
      headers: { ...bearer("acme"), "content-type": "application/json" },
    });
    half.write(`{"question":"pen`);
    const answered = once(half, "response") as Promise<[IncomingMessage]>;
    const socket = new WebSocket(url.replace("http", "ws"), { headers: bearer("acme") });
    await once(socket, "open");
    await expect.poll(async () => underWay(adminUrl), { timeout: 10_000 }).toBe(2);
    expect((await fetch(`${adminUrl}/ready`)).status).toBe(200);

    const closed = once(socket, "close") as Promise<[code: number]>;
    service.child.kill("SIGTERM");
    await service.told("draining");
    expect((await closed)[0]).toBe(1001);
    expect((await fetch(`${adminUrl}/ready`)).status).toBe(503);
    expect((await fetch(`${adminUrl}/live`)).status).toBe(200);

    // new requests are refused
    const refused = await fetch(`${url}?question=penguins`, { headers: bearer("acme") });
    expect([refused.status, refused.headers.get("connection"), refused.headers.get("retry-after")]).toEqual([
      503,
      "close",
      "1",
    ]);
    expect(await refused.json()).toMatchObject({ code: "DRAINING" });
    const late = new WebSocket(url.replace("http", "ws"), { headers: bearer("acme") });
    late.on("error", () => {});
    const [, upgrade] = (await once(late, "unexpected-response")) as [unknown, IncomingMessage];
    expect(upgrade.statusCode).toBe(503);

    // accepted requests get their whole answer
    half.end(`guins","limit":1}`);
    const [answer] = await answered;
    expect(answer.statusCode).toBe(200);
    expect(JSON.parse(await textOf(answer))).toMatchObject({ citations: [expect.stringMatching(/^long\.md:\d+$/)] });
    expect(service.child.exitCode).toBeNull();
    const events = await textOf(stream);
    expect(events.match(/^event: chunk$/gm)).toHaveLength(21);
    expect(events).toMatch(/event: result\ndata: {.*}\n\n$/);

    expect(await service.exited).toEqual([0, null]);
    await expect(fetch(url)).rejects.toThrow("fetch failed");
    expect(service.lines.find(({ message }) => message === "draining")).toMatchObject({ underWay: 2 });
    expect(service.lines.at(-1)).toMatchObject({ message: "stopped", cancelled: 0, abandoned: 0 });
  });

  test("does not wait longer than it may", async () => {
    using service = await startProcess({ DRAIN_DELAY_MS: "0", DRAIN_MS: "300" });
    const streaming = get(`${service.url}?question=penguins&limit=20`, {
      headers: { ...bearer("acme"), accept: "text/event-stream" },
    });
    const [stream] = (await once(streaming, "response")) as [IncomingMessage];
    service.child.kill("SIGINT");
    expect(await service.exited).toEqual([0, null]);
    expect(service.lines.find(({ message }) => message === "stopped")).toMatchObject({ cancelled: 1, abandoned: 0 });
    await expect(textOf(stream)).rejects.toThrow("aborted");
  });

  test("goes on answering probes and refusing work until the balancer has seen it", async () => {
    await using service = await startService({ environment: { DRAIN_DELAY_MS: "1000", DRAIN_MS: "1000" } });
    const since = performance.now();
    const drained = service.drain();
    expect((await fetch(`${service.adminUrl}/ready`)).status).toBe(503);
    expect((await service.ask({ question: "swim" })).status).toBe(503);
    await drained;
    // timers may be early by a fraction of a millisecond
    expect(performance.now() - since).toBeGreaterThan(990);
    await expect(fetch(`${service.adminUrl}/live`)).rejects.toThrow("fetch failed");
  });

  test("answers what a WebSocket has asked, and says goodbye", async () => {
    const { library, searching, open } = gatedLibrary();
    await using service = await startService({ library: () => library, environment: { DRAIN_MS: "20000" } });
    const socket = new WebSocket(service.url.replace("http", "ws"), { headers: bearer("acme") });
    await once(socket, "open");
    const items: { type: string; code?: string }[] = [];
    socket.on("message", (data: Buffer) => void items.push(JSON.parse(data.toString()) as never));
    const closed = once(socket, "close") as Promise<[code: number]>;
    socket.send(`{"question":"swim"}`);
    await expect.poll(() => searching.now).toBe(1);
    const drained = service.drain();
    socket.send(`{"question":"fly"}`);
    open();
    expect((await closed)[0]).toBe(1001);
    expect(items.map(({ type, code }) => code ?? type).slice(0, 3)).toEqual(["chunk", "chunk", "result"]);
    expect(await drained).toMatchObject({ cancelled: 0, abandoned: 0 });
    expect(searching.ever).toBe(1);
  });

  test("tells a reader whose answer it cannot finish", async () => {
    const { library } = longLibrary(10_000, 1_000);
    await using service = await startService({ library: () => library });
    const socket = new WebSocket(service.url.replace("http", "ws"), { headers: bearer("acme") });
    await once(socket, "open");
    const last = new Promise<string>((resolve) => {
      let text = "";
      socket.on("message", (data: Buffer) => (text = data.toString()));
      socket.on("close", () => resolve(text));
    });
    socket.send(`{"question":"swim"}`);
    await once(socket, "message");
    await service.drain();
    expect(JSON.parse(await last)).toMatchObject({ type: "failed", status: 503, code: "DRAINING" });
  });
});

async function underWay(adminUrl: string): Promise<number | undefined> {
  const metrics = readPrometheusText(await (await fetch(`${adminUrl}/metrics`)).text());
  return metrics.get("http_server_active_requests")?.samples[0]?.value;
}
