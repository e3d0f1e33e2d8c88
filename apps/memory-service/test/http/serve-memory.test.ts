import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { openMemory } from "@penguiflow/memory-service";
import { serveMemory, type ServeMemoryOptions } from "@penguiflow/memory-service/http";
import { describe, expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };

async function started(options: ServeMemoryOptions = {}) {
  const memory = await openMemory();
  const server = await serveMemory(memory, options);
  const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${server.token}`,
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const answer = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text: answer,
      body: answer === "" ? {} : (JSON.parse(answer) as Record<string, unknown>),
    };
  };
  return {
    memory,
    server,
    ask,
    async [Symbol.asyncDispose]() {
      await server.close();
      await memory.close();
    },
  };
}

describe("the memory over HTTP", () => {
  test("keeps, finds, shares and erases", async () => {
    await using here = await started();
    const kept = await here.ask("POST", "/v1/fragments", { text: "The gate code is 4711." });
    expect(kept).toMatchObject({ status: 201, body: { created: true } });
    const id = String(kept.body["id"]);
    const found = await here.ask("POST", "/v1/retrieve", { query: "gate" });
    expect(found).toMatchObject({ status: 200, body: { items: [{ id, why: { words: 1 } }], truncated: false } });
    expect(await here.ask("GET", "/v1/fragments?q=gate&limit=5")).toMatchObject({ body: { items: [{ id }] } });
    expect(await here.ask("GET", "/v1/fragments?level=private")).toMatchObject({ body: { items: [{ id }] } });
    expect(await here.ask("PUT", `/v1/fragments/${id}/grants/local/bob`, {})).toMatchObject({ status: 200 });
    const asBob = { "memory-user": "bob" };
    expect(await here.ask("GET", `/v1/fragments/${id}`, undefined, asBob)).toMatchObject({ status: 200 });
    await here.ask("DELETE", `/v1/fragments/${id}/grants/local/bob`);
    expect(await here.ask("GET", `/v1/fragments/${id}`, undefined, asBob)).toMatchObject({ status: 404 });
    expect(await here.ask("POST", `/v1/fragments/${id}/reinforce`, { value: 1 })).toMatchObject({ status: 200 });
    expect(await here.ask("POST", "/v1/feedback", { id, helpful: false })).toMatchObject({ status: 200 });
    expect(await here.ask("GET", `/v1/events?fragment=${id}`)).toMatchObject({ status: 200 });
    expect(await here.ask("DELETE", `/v1/fragments/${id}`)).toMatchObject({ status: 204, text: "" });
    expect(await here.ask("GET", `/v1/fragments/${id}`)).toMatchObject({ status: 404 });
  });

  test("answers byte for byte alike for a fragment that is unseen and for one that never was", async () => {
    await using here = await started();
    const { body } = await here.ask("POST", "/v1/fragments", { text: "The gate code is 4711." });
    const id = String(body["id"]);
    const asBob = { "memory-user": "bob" };
    for (const method of ["GET", "DELETE"]) {
      const unseen = await here.ask(method, `/v1/fragments/${id}`, undefined, asBob);
      const absent = await here.ask(method, `/v1/fragments/${id.slice(0, -4)}0000`, undefined, asBob);
      expect([unseen.status, unseen.text]).toEqual([absent.status, absent.text]);
    }
  });

  test("keeps a text once for each Idempotency-Key, and refuses another text with it", async () => {
    await using here = await started();
    const key = { "idempotency-key": "one" };
    const first = await here.ask("POST", "/v1/fragments", { text: "The gate sticks." }, key);
    const again = await here.ask("POST", "/v1/fragments", { text: "The gate sticks." }, key);
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body["id"]).toBe(first.body["id"]);
    expect(await here.ask("POST", "/v1/fragments", { text: "Another." }, key)).toMatchObject({
      status: 422,
      body: { code: "KEY_REUSED" },
    });
  });

  test("keeps a list whole or not at all", async () => {
    await using here = await started();
    const fragments = [{ text: "One." }, { text: "" }];
    const refused = await here.ask("POST", "/v1/fragments", { fragments });
    expect(refused.status).toBe(400);
    expect(JSON.stringify(refused.body["issues"])).toContain("fragments");
    expect(await here.ask("GET", "/v1/fragments")).toMatchObject({ body: { items: [] } });
    expect(await here.ask("POST", "/v1/fragments", { fragments: fragments.slice(0, 1) })).toMatchObject({
      status: 201,
    });
  });

  test("refuses what it cannot read with a problem that says why", async () => {
    await using here = await started({ maxBodyBytes: 1_000 });
    expect(await here.ask("POST", "/v1/retrieve", { query: "x", limt: 1 })).toMatchObject({
      status: 400,
      body: { code: "INVALID" },
    });
    expect(await here.ask("POST", "/v1/retrieve", { query: "x".repeat(2_000) })).toMatchObject({ status: 413 });
    expect(await here.ask("POST", "/v1/retrieve", {}, { "content-type": "text/plain" })).toMatchObject({ status: 415 });
    expect(await here.ask("GET", "/v1/nothing")).toMatchObject({ status: 404, body: { code: "ROUTE_UNKNOWN" } });
    const wrong = await here.ask("PUT", "/v1/fragments", {});
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST, GET"]);
    expect(wrong.headers.get("content-type")).toBe("application/problem+json");
  });

  test("tells a client that writes far too much why it is refused, once it has written", async () => {
    await using here = await started({ maxBodyBytes: 100_000 });
    const body = { text: "x".repeat(1_200_000) };
    for (let at = 0; at < 10; at++)
      expect(await here.ask("POST", "/v1/fragments", body)).toMatchObject({
        status: 413,
        body: { code: "BODY_TOO_LARGE" },
      });
  });

  test("names the parameter and the key that are wrong, as the caller wrote them", async () => {
    await using here = await started();
    const issuesOf = async (method: string, path: string, body?: unknown) => {
      const { status, body: problem } = await here.ask(method, path, body);
      const issues = problem["issues"] as { path: string[]; message: string }[];
      return [status, issues.map(({ path: place, message }) => [place.join("."), message])];
    };
    expect(await issuesOf("GET", "/v1/fragments?q=")).toEqual([400, [["q", "is empty"]]]);
    expect(await issuesOf("GET", "/v1/fragments?q=gate&cursor=x")).toEqual([
      400,
      [["cursor", "expected none beside q"]],
    ]);
    expect(await issuesOf("GET", "/v1/fragments?limit=1&limit=2")).toEqual([400, [["limit", "expected once"]]]);
    const [, issues] = await issuesOf("POST", "/v1/fragments", { text: 5, foo: 1 });
    expect(JSON.stringify(issues)).toContain('["text",');
    expect(JSON.stringify(issues)).toContain('Unrecognized key: \\"foo\\"');
  });

  test("is open to the token of this start alone, under this machine's names, and to no page of another site", async () => {
    await using here = await started();
    expect(await here.ask("GET", "/v1/fragments", undefined, { authorization: "Bearer x" })).toMatchObject({
      status: 401,
    });
    expect(await here.ask("GET", "/v1/fragments", undefined, { origin: "https://elsewhere.example" })).toMatchObject({
      status: 403,
    });
    // fetch writes the host itself
    const { port } = new URL(here.server.url);
    const socket = connect(Number(port), "127.0.0.1");
    const head = `GET /v1/fragments HTTP/1.1\r\nhost: elsewhere.example\r\nauthorization: Bearer ${here.server.token}\r\n`;
    socket.end(`${head}connection: close\r\n\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1.1 421 /);
    await expect(serveMemory(here.memory, { host: "0.0.0.0" })).rejects.toThrow("on this machine alone");
  });

  test("proves principals by keys: of a user, of a tenant that names one, with scopes, until revoked", async () => {
    await using here = await started({ keys: true });
    const { keys } = here.memory;
    const bearer = (secret: string, more = {}) => ({ authorization: `Bearer ${secret}`, ...more });
    const adas = await keys.create({ tenant: "house", user: "ada" });
    const whole = await keys.create({ tenant: "house" });
    const reader = await keys.create({ tenant: "house", user: "ada", scopes: ["read"] });
    const other = await keys.create({ tenant: "office", user: "ada" });
    await here.ask("POST", "/v1/fragments", { text: "The gate code is 4711." }, bearer(adas));
    const seen = async (headers: Record<string, string>) => {
      const { status, body } = await here.ask("POST", "/v1/retrieve", { query: "gate" }, headers);
      return status === 200 ? (body["items"] as unknown[]).length : status;
    };
    expect(await seen(bearer(adas))).toBe(1);
    expect(await seen(bearer(whole))).toBe(401);
    expect(await seen(bearer(whole, { "memory-user": "ada" }))).toBe(1);
    expect(await seen(bearer(whole, { "memory-user": "bob" }))).toBe(0);
    expect(await seen(bearer(other))).toBe(0);
    expect(await here.ask("POST", "/v1/fragments", { text: "x" }, bearer(reader))).toMatchObject({ status: 403 });
    expect(await here.ask("DELETE", "/v1/tenant", undefined, bearer(adas))).toMatchObject({ status: 403 });
    await keys.revoke(adas);
    expect(await seen(bearer(adas))).toBe(401);
  });

  test("streams the own fragments, one a line", async () => {
    await using here = await started();
    for (const one of ["One.", "Two."]) await here.ask("POST", "/v1/fragments", { text: one });
    const response = await fetch(`${here.server.url}/v1/export`, {
      headers: { authorization: `Bearer ${here.server.token}` },
    });
    const lines = (await response.text()).trim().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { text: string }).text)).toEqual(["Two.", "One."]);
  });

  test("describes each of its routes, and its figures on a second port", async () => {
    await using here = await started();
    const { body } = await here.ask("GET", "/openapi.json");
    expect(body["info"]).toMatchObject({ version: manifest.version });
    const paths = body["paths"] as Record<string, Record<string, { summary: string }>>;
    expect(Object.keys(paths)).toHaveLength(17);
    for (const operations of Object.values(paths))
      for (const { summary } of Object.values(operations)) expect(summary).not.toBe("");
    await here.ask("POST", "/v1/retrieve", { query: "gate" });
    const metrics = await (await fetch(`${here.server.monitoringUrl}/metrics`)).text();
    expect(metrics).toContain("# TYPE memory_blocks_bytes gauge\n");
    expect((await fetch(`${here.server.monitoringUrl}/ready`)).status).toBe(200);
  });
});
