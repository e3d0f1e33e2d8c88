import { once } from "node:events";
import { get, type IncomingMessage, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { text as textOf } from "node:stream/consumers";
import { describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { bearer, gatedLibrary, longLibrary, startService } from "./start-service.ts";

const STREAM = { accept: "text/event-stream" };

/** Waits until a figure stays the same for a while: in real time, since real buffers fill up. */
async function untilSteady(figure: () => number): Promise<void> {
  let before = -1;
  await expect
    .poll(
      () => {
        const isSteady = figure() === before && before > 0;
        before = figure();
        return isSteady;
      },
      { interval: 300, timeout: 20_000 },
    )
    .toBe(true);
}

/** Requests a stream and does not read it yet. */
async function askSlowly(url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const request = get(`${url}?question=swim`, { headers: { ...bearer("acme"), ...STREAM, ...headers } });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

describe("a client that leaves", { timeout: 30_000 }, () => {
  test.for(["application/json", "text/event-stream"])("stops the work for it: %s", async (accept) => {
    const { library, searching } = gatedLibrary();
    await using service = await startService({ library: () => library });
    const leaves = new AbortController();
    const answer = service.ask({ question: "swim" }, { headers: { accept }, signal: leaves.signal });
    await expect.poll(() => searching.now).toBe(1);
    leaves.abort();
    await expect(answer).rejects.toThrow("aborted");
    await expect.poll(() => [searching.stopped, service.flow.stats().outcomes.cancelled]).toEqual([1, 1]);
    await expect.poll(() => service.door.inside).toBe(0);
    expect(JSON.parse(service.logged.at(-1) ?? "")).toMatchObject({ message: "request", status: 499, tenant: "acme" });
  });

  test("stops the work for it, and what it has not begun: WebSocket", async () => {
    const { library, searching } = gatedLibrary();
    await using service = await startService({ library: () => library });
    const socket = new WebSocket(service.url.replace("http", "ws"), { headers: bearer("acme") });
    await once(socket, "open");
    for (let question = 0; question < 3; question += 1) socket.send(`{"question":"swim"}`);
    await expect.poll(() => searching.now).toBe(1);
    socket.terminate();
    await expect.poll(() => [searching.stopped, service.flow.stats().outcomes.cancelled]).toEqual([1, 1]);
    await expect.poll(() => service.door.inside).toBe(0);
    expect(searching.ever).toBe(1);
  });
});

describe("a deadline", { timeout: 30_000 }, () => {
  test("is the client's, where it is shorter, and ends the work", async () => {
    const { library, searching } = gatedLibrary();
    await using service = await startService({ library: () => library });
    const response = await service.ask({ question: "swim" }, { headers: { "request-timeout-ms": "50" } });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([504, "DEADLINE_EXCEEDED"]);
    expect(searching).toEqual({ now: 0, stopped: 1, ever: 1 });
  });

  test("is the service's otherwise", async () => {
    const { library } = gatedLibrary();
    await using service = await startService({ library: () => library, environment: { REQUEST_TIMEOUT_MS: "50" } });
    expect((await service.ask({ question: "swim" })).status).toBe(504);
    const socket = new WebSocket(service.url.replace("http", "ws"), { headers: bearer("acme") });
    await once(socket, "open");
    socket.send(`{"question":"swim"}`);
    const [data] = (await once(socket, "message")) as [Buffer];
    expect(JSON.parse(data.toString())).toMatchObject({ type: "failed", status: 504, code: "DEADLINE_EXCEEDED" });
    socket.close();
  });

  test("cuts off a reader that does not read", async () => {
    const { library } = longLibrary();
    await using service = await startService({ library: () => library });
    const response = await askSlowly(service.url, { "request-timeout-ms": "700" });
    await expect.poll(() => service.door.inside, { timeout: 10_000 }).toBe(0);
    await expect(textOf(response)).rejects.toThrow("aborted");
    expect(service.flow.stats().traces).toBe(0);
  });
});

describe("a slow reader", { timeout: 60_000 }, () => {
  test("of events makes the node wait, and gets everything in the end", async () => {
    const { library, sent, passages } = longLibrary();
    await using service = await startService({ library: () => library });
    const response = await askSlowly(service.url);
    await untilSteady(() => sent.passages);
    expect(sent.passages).toBeLessThan(passages / 2);
    expect(service.flow.stats().nodes.find(({ name }) => name === "quote")?.running).toBe(0);

    // the same node serves others meanwhile
    expect((await service.ask({ question: "swim" }, { tenant: "zeta" })).status).toBe(200);

    const events = await textOf(response);
    expect(sent.passages).toBe(2 * passages);
    expect(events.match(/^event: chunk$/gm)).toHaveLength(passages + 1);
    expect(events).toMatch(/event: result\ndata: .*\n\n$/);
  });

  test("of a WebSocket makes the node wait, and gets everything in the end", async () => {
    const { library, sent, passages } = longLibrary();
    await using service = await startService({ library: () => library });
    const socket = new WebSocket(service.url.replace("http", "ws"), { headers: bearer("acme") });
    await once(socket, "open");
    let chunks = 0;
    const result = new Promise<void>((resolve) => {
      socket.on("message", (data: Buffer) => {
        if (data.subarray(0, 20).includes(`"type":"chunk"`)) chunks += 1;
        else resolve();
      });
    });
    socket.send(`{"question":"swim"}`);
    socket.pause();
    await untilSteady(() => sent.passages);
    expect(sent.passages).toBeLessThan(passages / 2);
    socket.resume();
    await result;
    expect([sent.passages, chunks]).toEqual([passages, passages + 1]);
    socket.close();
  });
});

describe("too much at once", { timeout: 30_000 }, () => {
  test("is refused: to a tenant its own, to everybody what is above all", async () => {
    const { library, open } = gatedLibrary();
    await using service = await startService({
      library: () => library,
      environment: { MAX_REQUESTS: "3", MAX_REQUESTS_PER_TENANT: "2" },
    });
    const accepted = [
      service.ask({ question: "swim" }),
      service.ask({ question: "swim" }),
      service.ask({ question: "swim" }, { tenant: "zeta" }),
    ];
    await expect.poll(() => service.door.inside).toBe(3);
    const refused = [
      await service.ask({ question: "swim" }),
      await service.ask({ question: "swim" }, { tenant: "zeta" }),
    ];
    expect(refused.map(({ status, headers }) => [status, headers.get("retry-after")])).toEqual([
      [429, "1"],
      [503, "1"],
    ]);
    expect(
      await Promise.all(refused.map(async (response) => ((await response.json()) as { code: string }).code)),
    ).toEqual(["TOO_MANY_REQUESTS", "OVERLOADED"]);
    open();
    expect((await Promise.all(accepted)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await service.ask({ question: "swim" })).status).toBe(200);
  });

  test("closes a WebSocket that asks without waiting for answers", async () => {
    const { library, searching } = gatedLibrary();
    await using service = await startService({ library: () => library });
    const socket = new WebSocket(service.url.replace("http", "ws"), { headers: bearer("acme") });
    await once(socket, "open");
    for (let question = 0; question < 9; question += 1) socket.send(`{"question":"swim"}`);
    const [code] = (await once(socket, "close")) as [number];
    expect(code).toBe(1008);
    await expect.poll(() => service.door.inside).toBe(0);
    expect(searching).toEqual({ now: 0, stopped: 1, ever: 1 });
  });

  test("closes a WebSocket whose message is too large", async () => {
    await using service = await startService();
    const socket = new WebSocket(service.url.replace("http", "ws"), { headers: bearer("acme") });
    await once(socket, "open");
    socket.send("x".repeat(20_000));
    const [code] = (await once(socket, "close")) as [number];
    expect(code).toBe(1009);
  });

  test("closes what comes beyond the connections there may be", async () => {
    await using service = await startService({ environment: { MAX_CONNECTIONS: "1" } });
    const { hostname, port } = new URL(service.url);
    const first = connect(Number(port), hostname);
    await once(first, "connect");
    const second = connect(Number(port), hostname);
    second.on("error", () => {});
    await once(second, "close");
    expect(first.destroyed).toBe(false);
    first.destroy();
  });
});

describe("a client that hangs", { timeout: 30_000 }, () => {
  test("in the middle of its request is not waited for longer than a request may take", async () => {
    await using service = await startService({ environment: { REQUEST_TIMEOUT_MS: "500" } });
    const headers = { ...bearer("acme"), "content-type": "application/json" };
    const half = httpRequest(service.url, { method: "POST", headers });
    half.on("error", () => {});
    half.write(`{"question":"sw`);
    const [response] = (await once(half, "response")) as [IncomingMessage];
    expect(response.statusCode).toBe(408);
    await expect.poll(() => service.door.inside).toBe(0);
    half.destroy();
  });

  test("on a WebSocket is let go when it does not answer a ping", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      await using service = await startService();
      const url = service.url.replace("http", "ws");
      const lively = new WebSocket(url, { headers: bearer("acme") });
      const silent = new WebSocket(url, { headers: bearer("acme"), autoPong: false });
      await Promise.all([once(lively, "open"), once(silent, "open")]);
      const ponged = new Promise<void>((resolve) => lively.once("ping", () => resolve()));
      const pinged = once(silent, "ping");
      vi.advanceTimersByTime(30_000);
      await Promise.all([ponged, pinged]);
      // a question sent after the pong: once it is answered, the pong has arrived
      lively.send(`{"question":"swim"}`);
      await once(lively, "message");
      const closed = once(silent, "close") as Promise<[code: number]>;
      vi.advanceTimersByTime(30_000);
      expect((await closed)[0]).toBe(1006);
      expect(lively.readyState).toBe(lively.OPEN);
      lively.close();
    } finally {
      vi.useRealTimers();
    }
  });
});
