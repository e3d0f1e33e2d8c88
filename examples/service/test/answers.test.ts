import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { text as textOf } from "node:stream/consumers";
import { EventSource } from "eventsource";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import type { Library } from "../library.ts";
import { bearer, gatedLibrary, startService, type Tenant } from "./start-service.ts";

interface Chunk {
  readonly seq: number;
  readonly text: string;
  readonly done: boolean;
  readonly meta: { readonly citation?: string };
}

const threePassages: Library = {
  search: (question, limit) =>
    ["one", "two\u2028lines", 'the "third"']
      .slice(0, limit)
      .map((text, line) => ({ file: "a.md", line, text: `${question} ${text}` })),
};

describe("answers", { timeout: 30_000 }, () => {
  test("come as JSON to a question as JSON", async () => {
    await using service = await startService({ library: () => threePassages });
    const response = await service.ask({ question: "swim", limit: 2 });
    expect(response.status).toBe(200);
    expect(response.headers.get("trace-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(await response.json()).toEqual({ text: "swim one\n\nswim two\u2028lines", citations: ["a.md:0", "a.md:1"] });
  });

  test("come to an EventSource chunk by chunk, then whole", async () => {
    await using service = await startService({ library: () => threePassages });
    const source = new EventSource(`${service.url}?question=swim`, {
      fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...bearer("acme") } }),
    });
    const chunks: Chunk[] = [];
    source.addEventListener("chunk", ({ data }) => chunks.push(JSON.parse(data as string) as Chunk));
    const result = await new Promise<{ text: string; citations: string[] }>((resolve, reject) => {
      source.addEventListener("result", ({ data }) => resolve(JSON.parse(data as string) as never));
      source.addEventListener("error", ({ message }) => reject(new Error(message)));
    }).finally(() => source.close());
    expect(chunks.map(({ seq, done }) => [seq, done])).toEqual([
      [0, false],
      [1, false],
      [2, false],
      [3, true],
    ]);
    expect(chunks.map(({ meta }) => meta.citation)).toEqual([...result.citations, undefined]);
    expect(
      chunks
        .map(({ text }) => text)
        .join("")
        .trim(),
    ).toBe(result.text);
  });

  test("an EventSource that comes back after its answer is told to leave it", async () => {
    await using service = await startService();
    const headers = { ...bearer("acme"), accept: "text/event-stream", "last-event-id": "x.0.3" };
    expect((await fetch(`${service.url}?question=swim`, { headers })).status).toBe(204);
  });

  test("come to a WebSocket in the order of its questions, whatever is between them", async () => {
    await using service = await startService({ library: () => threePassages });
    const socket = new WebSocket(service.url.replace("http", "ws"), { headers: bearer("acme") });
    await once(socket, "open");
    const items: { type: string; code?: string; result?: { text: string }; text?: string }[] = [];
    const all = new Promise<void>((resolve) => {
      socket.on("message", (data: Buffer) => {
        items.push(JSON.parse(data.toString()) as never);
        if (items.filter(({ type }) => type !== "chunk").length === 4) resolve();
      });
    });
    for (const text of [`{"question":"swim","limit":1}`, "{", `{"question":""}`, `{"question":"fly","limit":1}`])
      socket.send(text);
    await all;
    socket.close();
    expect(items.map(({ type, code, text, result }) => code ?? result?.text ?? `${type} ${text?.trim()}`)).toEqual([
      "chunk swim one",
      "chunk ",
      "swim one",
      "NOT_JSON",
      "INPUT_INVALID",
      "chunk fly one",
      "chunk ",
      "fly one",
    ]);
  });
});

describe("tenants", { timeout: 30_000 }, () => {
  test("get answers from their own documents, however many ask at once", async () => {
    await using service = await startService();
    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const tenant: Tenant = index % 2 === 0 ? "acme" : "zeta";
        const response = await service.ask({ question: `number ${index}` }, { tenant });
        expect(await response.json()).toEqual({ text: `${tenant} on number ${index}`, citations: [`${tenant}.md:1`] });
      }),
    );
    expect(service.door.inside).toBe(0);
    expect(service.flow.stats().traces).toBe(0);
  });

  test("are who their token says, and nothing in a request changes that", async () => {
    await using service = await startService();
    for (const body of [
      { question: "swim", tenant: "zeta" },
      { question: "swim", headers: { tenant: "zeta" } },
    ]) {
      const response = await service.ask(body);
      expect(response.status).toBe(400);
      expect(await response.text()).not.toContain("zeta.md");
    }
    const response = await service.ask({ question: "swim" }, { headers: { tenant: "zeta", "x-tenant": "zeta" } });
    expect(await response.text()).toContain("acme.md");
  });

  test("do not get one another's kept answers", async () => {
    await using service = await startService();
    const headers = { "idempotency-key": "k-1" };
    const texts = await Promise.all(
      (["acme", "zeta"] as const).map(async (tenant) =>
        (await service.ask({ question: "swim" }, { tenant, headers })).text(),
      ),
    );
    expect(texts[0]).toContain("acme on swim");
    expect(texts[1]).toContain("zeta on swim");
  });
});

describe("a request that cannot be served", { timeout: 30_000 }, () => {
  const JSON_TYPE = { "content-type": "application/json" };
  test.for<[string, number, string, RequestInit & { path?: string }]>([
    ["no token", 401, "UNAUTHENTICATED", { headers: { authorization: "" } }],
    ["a wrong token", 401, "UNAUTHENTICATED", { headers: { authorization: "Bearer a-token-of-acme-0002" } }],
    ["another path", 404, "NOT_FOUND", { path: "/v1/elsewhere" }],
    ["another method", 405, "METHOD_NOT_ALLOWED", { method: "PUT", body: "{}", headers: JSON_TYPE }],
    ["a body of another kind", 415, "NOT_JSON", { method: "POST", body: "question=x" }],
    ["a broken body", 400, "NOT_JSON", { method: "POST", body: "{", headers: JSON_TYPE }],
    ["no body", 400, "NOT_JSON", { method: "POST", headers: JSON_TYPE }],
    [
      "a body that is too large",
      413,
      "TOO_LARGE",
      { method: "POST", body: `"${"x".repeat(20_000)}"`, headers: JSON_TYPE },
    ],
    ["no question", 400, "INPUT_INVALID", {}],
    ["a limit that is no number", 400, "INPUT_INVALID", { path: "/v1/answers?question=swim&limit=few" }],
    [
      "a time that is too long",
      400,
      "INPUT_INVALID",
      { path: "/v1/answers?question=swim", headers: { "request-timeout-ms": "3600000" } },
    ],
    [
      "a bad key",
      400,
      "IDEMPOTENCY_KEY_INVALID",
      { path: "/v1/answers?question=swim", headers: { "idempotency-key": "a b" } },
    ],
  ])("is told why: %s", async ([, status, code, { path = "/v1/answers", headers, ...init }]) => {
    await using service = await startService();
    const response = await fetch(new URL(path, service.url), {
      ...init,
      headers: { ...bearer("acme"), ...(headers as Record<string, string>) },
    });
    const problem = (await response.json()) as { code: string; traceId: string };
    expect([response.status, problem.code]).toEqual([status, code]);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(problem.traceId).toBe(response.headers.get("trace-id"));
    expect(service.flow.stats().accepted).toBe(0);
    expect(service.door.inside).toBe(0);
  });

  test("is told every issue of its body, with its path", async () => {
    await using service = await startService();
    const response = await service.ask({ question: " ", limit: 2.5, colour: "red" });
    const { issues } = (await response.json()) as { issues: { path: string; message: string }[] };
    expect(issues.map(({ path }) => path)).toEqual(["question", "limit", ""]);
    expect(issues[2]?.message).toContain("colour");
  });

  test("is stopped at the limit when its body does not say how large it is", async () => {
    await using service = await startService();
    const request = httpRequest(service.url, {
      method: "POST",
      headers: { ...bearer("acme"), "content-type": "application/json" },
    });
    request.on("error", () => {});
    const responded = once(request, "response") as Promise<[IncomingMessage]>;
    for (let part = 0; part < 20; part += 1) request.write("x".repeat(1_000));
    const [response] = await responded;
    expect(response.statusCode).toBe(413);
    expect(response.headers.connection).toBe("close");
    expect(await textOf(response)).toContain("16384 bytes");
    request.destroy();
  });

  test("is refused as a WebSocket too", async () => {
    await using service = await startService();
    const url = service.url.replace("http", "ws");
    for (const [target, options, status] of [
      [url, {}, 401],
      [url.replace("answers", "elsewhere"), { headers: bearer("acme") }, 404],
    ] as const) {
      const socket = new WebSocket(target, options);
      socket.on("error", () => {});
      const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
      expect(response.statusCode).toBe(status);
      expect(JSON.parse(await textOf(response))).toMatchObject({ status });
    }
  });
});

test("an answer that takes its time is an event stream that says that it is alive", async () => {
  const { library, searching, open } = gatedLibrary();
  await using service = await startService({ library: () => library, environment: { KEEP_ALIVE_MS: "10" } });
  const response = await service.ask({ question: "swim" }, { headers: { accept: "text/event-stream" } });
  expect(response.status).toBe(200);
  expect(searching.now).toBe(1);
  open();
  expect(await response.text()).toMatch(/^(: keep-alive\n\n)+id: .*\nevent: chunk\n/);
});

test("a question that is not as it should be is refused before an event stream begins", async () => {
  await using service = await startService();
  const response = await service.ask({ question: "" }, { headers: { accept: "text/event-stream" } });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: "INPUT_INVALID", issues: [{ path: "question" }] });
});

describe("a failure", { timeout: 30_000 }, () => {
  test("is told by its code, and nothing from within", async () => {
    const failing: Library = {
      search() {
        throw new Error("the password is 12345");
      },
    };
    await using service = await startService({ library: () => failing });
    for (const accept of ["application/json", "text/event-stream"]) {
      const response = await service.ask({ question: "swim" }, { headers: { accept } });
      const body = await response.text();
      expect(response.status).toBe(500);
      expect(JSON.parse(body)).toMatchObject({ code: "NODE_EXCEPTION" });
      expect(body).not.toContain("12345");
    }
    // but the operators' log has it
    await service.flow.flush();
    expect(service.logged.join("\n")).toContain("12345");
  });

  test("in the middle of a stream is its last event", async () => {
    const broken: Library = {
      search: () => [
        { file: "a.md", line: 1, text: "begins well" },
        {
          file: "a.md",
          line: 2,
          get text(): string {
            throw new Error("the disk is gone");
          },
        },
      ],
    };
    await using service = await startService({ library: () => broken });
    const response = await service.ask({ question: "swim" }, { headers: { accept: "text/event-stream" } });
    const events = await response.text();
    expect(response.status).toBe(200);
    expect(events).toContain("begins well");
    expect(events).toMatch(/event: failed\ndata: {"status":500,"code":"NODE_EXCEPTION",.*}\n\n$/);
    expect(events).not.toContain("disk");
  });
});

describe("an Idempotency-Key", { timeout: 30_000 }, () => {
  const headers = { "idempotency-key": "order-7" };

  test("makes the same request one piece of work, at once and later", async () => {
    const { library, searching, open } = gatedLibrary();
    await using service = await startService({ library: () => library });
    const both = [1, 2].map(() => service.ask({ question: "swim" }, { headers }));
    await expect.poll(() => service.door.inside).toBe(2);
    open();
    const texts = await Promise.all(both.map(async (response) => (await response).text()));
    texts.push(await (await service.ask({ question: "swim" }, { headers })).text());
    expect(new Set(texts).size).toBe(1);
    expect(searching.ever).toBe(1);
    const other = await service.ask({ question: "fly" }, { headers });
    expect([other.status, ((await other.json()) as { code: string }).code]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"]);
  });

  test("lets the work go on for a client that comes back", async () => {
    const { library, searching, open } = gatedLibrary();
    await using service = await startService({ library: () => library });
    const leaves = new AbortController();
    const first = service.ask({ question: "swim" }, { headers, signal: leaves.signal });
    await expect.poll(() => searching.now).toBe(1);
    leaves.abort();
    await expect(first).rejects.toThrow("aborted");
    await expect.poll(() => service.logged.some((line) => line.includes(`"status":499`))).toBe(true);
    expect(service.door.inside).toBe(1);
    open();
    expect((await service.ask({ question: "swim" }, { headers })).status).toBe(200);
    expect(searching).toEqual({ now: 0, stopped: 0, ever: 1 });
  });

  test("does not keep a failure", async () => {
    let calls = 0;
    const recovering: Library = {
      search() {
        calls += 1;
        // the node has one retry
        if (calls <= 2) throw new Error("not yet");
        return [];
      },
    };
    await using service = await startService({ library: () => recovering });
    const statuses = [];
    for (let attempt = 0; attempt < 3; attempt += 1)
      statuses.push((await service.ask({ question: "swim" }, { headers })).status);
    expect(statuses).toEqual([500, 200, 200]);
    expect(calls).toBe(3);
  });
});
