import { readFileSync } from "node:fs";
import path from "node:path";
import { openMemory } from "@penguiflow/memory-service";
import { serveMemory, type ServeMemoryOptions } from "@penguiflow/memory-service/http";
import { expect, onTestFinished, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../../../..");

async function served(options: ServeMemoryOptions = {}) {
  const memory = await openMemory();
  const server = await serveMemory(memory, options);
  onTestFinished(async () => {
    await server.close();
    await memory.close();
  });
  return { memory, server };
}

test("the page and its files are served without a key, under a policy that allows this server alone", async () => {
  const { server } = await served();
  const types: [string, string][] = [
    ["/", "text/html; charset=utf-8"],
    ["/main.js", "text/javascript; charset=utf-8"],
    ["/styles/tokens.css", "text/css; charset=utf-8"],
    ["/fonts/inter.woff2", "font/woff2"],
    ["/mark.svg", "image/svg+xml"],
  ];
  for (const [place, type] of types) {
    const { status, headers } = await fetch(`${server.url}${place}`);
    expect([place, status, headers.get("content-type")]).toEqual([place, 200, type]);
    const policy = headers.get("content-security-policy")?.split("; ") ?? [];
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("style-src 'self'");
    expect(policy).toContain("connect-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy.join(" ")).not.toMatch(/unsafe|https?:|data:|\*/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
  }
});

test("nothing beside the page is served: no other file of the package or the machine", async () => {
  const { server } = await served();
  for (const place of [
    "/index.html",
    "/tsconfig.json",
    "/fonts/LICENSE",
    "/..%2fpackage.json",
    "/styles",
    "/%2e%2e/package.json",
  ])
    expect([place, (await fetch(`${server.url}${place}`)).status]).toEqual([place, 401]);
  expect((await fetch(`${server.url}/`, { method: "POST" })).status).toBe(401);
});

test("a file that the browser has is not sent again", async () => {
  const { server } = await served();
  const first = await fetch(`${server.url}/main.js`);
  const tag = first.headers.get("etag") ?? "";
  const again = await fetch(`${server.url}/main.js`, { headers: { "if-none-match": tag } });
  expect([again.status, await again.text()]).toEqual([304, ""]);
  expect((await fetch(`${server.url}/main.js`, { method: "HEAD" })).headers.get("content-length")).toBe(
    String(Buffer.byteLength(await first.text())),
  );
});

test("the address of the page has the token of this start behind the #, and none where callers have keys", async () => {
  const { server } = await served();
  expect(server.pageUrl).toBe(`${server.url}/#token=${server.token}`);
  const { server: withKeys } = await served({ keys: true });
  expect(withKeys.pageUrl).toBe(`${withKeys.url}/`);
});

test("the token proves the given principal, and keys exclude one", async () => {
  const { memory, server } = await served({ principal: { tenant: "house", user: "ada", scopes: ["read"] } });
  const headers = { authorization: `Bearer ${server.token}` };
  const me = await fetch(`${server.url}/v1/users/me`, { headers });
  expect(await me.json()).toEqual({ tenant: "house", user: "ada", scopes: ["read"] });
  const bobs = await fetch(`${server.url}/v1/users/me`, { headers: { ...headers, "memory-user": "bob" } });
  expect(await bobs.json()).toEqual({ tenant: "house", user: "bob", scopes: ["read"] });
  await expect(serveMemory(memory, { keys: true, principal: { tenant: "a", user: "b" } })).rejects.toThrow("exclude");
});

test("what the page needs is in the API, and refuses what is not the caller's own", async () => {
  const { memory, server } = await served({ principal: { tenant: "house", user: "ada" } });
  const { id } = await memory.as({ tenant: "house", user: "ada" }).ingest({ text: "The gate code is 4711." });
  const ask = async (place: string, user = "ada") => {
    const headers = { authorization: `Bearer ${server.token}`, "memory-user": user };
    const answer = await fetch(`${server.url}${place}`, { headers });
    return { status: answer.status, body: await answer.json() };
  };
  expect(await ask(`/v1/fragments/${id}/erasure`)).toMatchObject({
    status: 200,
    body: { id, characters: 22, events: 1 },
  });
  const unseen = await ask(`/v1/fragments/${id}/erasure`, "bob");
  expect(unseen).toEqual(await ask("/v1/fragments/never-was/erasure", "bob"));
  expect(unseen.status).toBe(404);
  expect(await ask("/v1/flows")).toMatchObject({
    status: 200,
    body: { flows: [{ name: "memory.ingest" }, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}] },
  });
  expect(await ask("/v1/jobs")).toMatchObject({ status: 200, body: { jobs: [], figures: { waiting: 0 } } });
});

// its files are shipped as they are, so the look is copied, and must not drift apart
test("the page has the look of penguiflow dev, word for word", () => {
  const textOf = (file: string): string => readFileSync(path.join(root, file), "utf8");
  const tokensOf = (file: string): string => textOf(file).replace(/^[^]*?:root \{/, "");
  expect(tokensOf("apps/memory-service/page/styles/tokens.css")).toBe(
    tokensOf("packages/playground/src/look/tokens.css"),
  );
  expect(textOf("apps/memory-service/page/styles/base.css")).toBe(textOf("packages/playground/src/look/base.css"));
});
