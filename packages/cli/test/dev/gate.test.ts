import { once } from "node:events";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Scratch } from "../scratch.ts";
import { DevProject } from "./dev-project.ts";
import { openRaw, rawRequest } from "./raw-request.ts";

let project: DevProject;
let pages: Scratch;

beforeAll(async () => {
  pages = new Scratch({
    "page/index.html": "<title>page</title>",
    "page/assets/main-1f.js": "run()",
    "secret.txt": "out of the folder",
    "page2/secret.txt": "beside the folder",
  });
  project = await DevProject.start({}, "minimal", { pages: path.join(pages.folder, "page") });
});
afterAll(async () => {
  await project[Symbol.asyncDispose]();
  pages[Symbol.dispose]();
});

const bearer = (): string => `Authorization: Bearer ${project.server.token}`;
const statusOf = (response: string): number => Number(response.split(" ")[1]);
const raw = async (...lines: readonly string[]): Promise<string> => await rawRequest(project.server.port, ...lines);

describe("the gate", () => {
  test.for(["evil.example", "127.0.0.1.evil.example", "localhost", "127.0.0.1:1", "[::1]", ""])(
    "a request for the name %j is refused, as after DNS rebinding, whatever it knows",
    async (host) => {
      const named = host === "localhost" || host === "[::1]" ? `${host}:1` : host;
      expect(statusOf(await raw("GET / HTTP/1.1", `Host: ${named}`))).toBe(421);
      expect(statusOf(await raw("GET /api/project HTTP/1.1", `Host: ${named}`, bearer()))).toBe(421);
    },
  );

  test.for(["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])("a request for %s is served", async (host) => {
    const { port } = project.server;
    expect(statusOf(await raw("GET /api/project HTTP/1.1", `Host: ${host}:${port}`, bearer()))).toBe(200);
  });

  test.for(["http://evil.example", "null", "https://127.0.0.1:PORT", "http://localhost"])(
    "a page of the origin %s is refused before its token is looked at",
    async (origin) => {
      const { port } = project.server;
      const given = `Origin: ${origin.replace("PORT", String(port))}`;
      const response = await raw("GET /api/project HTTP/1.1", `Host: 127.0.0.1:${port}`, given, bearer());
      expect(statusOf(response)).toBe(403);
      expect(response).toContain("ORIGIN_FOREIGN");
      expect(response).not.toContain("access-control-allow-origin");
    },
  );

  test("every response says that nothing else may be loaded, framed or guessed", async () => {
    for (const url of ["/", "/runs/a/b", "/api/project", "/api/nothing"]) {
      const { headers } = await fetch(project.server.origin + url);
      expect(headers.get("content-security-policy")).toMatch(
        /^default-src 'none'; script-src 'self';.*frame-ancestors 'none'$/,
      );
      expect(headers.get("content-security-policy")).not.toContain("unsafe");
      expect([headers.get("x-content-type-options"), headers.get("referrer-policy")]).toEqual([
        "nosniff",
        "no-referrer",
      ]);
    }
  });

  test.for([
    "/../secret.txt",
    "/..%2fsecret.txt",
    "/%2e%2e/secret.txt",
    "/assets/..%2f..%2fsecret.txt",
    "/../page2/secret.txt",
    "//etc/passwd",
    "/..\\secret.txt",
    "/..%5csecret.txt",
    "/secret.txt%00",
    "/%",
  ])("the path %s leads to the page, and out of no folder", async (url) => {
    const response = await raw(`GET ${url} HTTP/1.1`, `Host: 127.0.0.1:${project.server.port}`);
    expect(response).toMatch(/^HTTP\/1.1 (?:200 OK[^]*<title>page<\/title>|404)/);
    expect(response).not.toMatch(/the folder|root:/);
  });

  test.for([
    ["gzip, deflate, br, zstd", "gzip"],
    ["br;q=1.0, GZip;q=0.5", "gzip"],
    ["gzip;q=0, br", null],
    ["gzip;q=0.0", null],
    ["x-gzip-of-another-kind", null],
    ["identity", null],
  ])("text is sent with gzip to a client that accepts it: %s", async ([accepted, encoding]) => {
    const response = await fetch(`${project.server.origin}/threads/1`, { headers: { "accept-encoding": accepted! } });
    expect(response.headers.get("content-encoding")).toBe(encoding);
    expect(response.headers.get("vary")).toBe("accept-encoding");
    expect(await response.text()).toContain("<title>page</title>");
  });

  test("hashed files are kept by the browser, the page itself is asked for again", async () => {
    const cacheOf = async (url: string) => (await fetch(project.server.origin + url)).headers.get("cache-control");
    expect(await cacheOf("/assets/main-1f.js")).toContain("immutable");
    expect(await cacheOf("/threads/1")).toBe("no-cache");
    expect((await fetch(`${project.server.origin}/assets/old-2e.js`)).status).toBe(404);
  });
});

describe("the session", () => {
  test("a request without the token, or with a wrong one, is refused", async () => {
    for (const headers of [
      {},
      { authorization: "Bearer wrong" },
      { cookie: `penguiflow_${project.server.port}=wrong` },
    ]) {
      const response = await fetch(`${project.server.origin}/api/project`, { headers });
      expect(response.status).toBe(401);
      expect(await response.text()).toContain("TOKEN_INVALID");
    }
  });

  test("the token is traded for a cookie that no script reads and no other site sends", async () => {
    const { origin, token, port } = project.server;
    const trade = async (body: object, headers: Record<string, string> = {}) =>
      await fetch(`${origin}/api/session`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      });
    expect((await trade({ token: `${token}x` })).status).toBe(401);
    expect((await trade({})).status).toBe(401);
    const traded = await trade({ token });
    expect(traded.status).toBe(204);
    const [cookie] = traded.headers.getSetCookie();
    expect(cookie).toMatch(new RegExp(`^penguiflow_${port}=[\\w-]{22}; Path=/; HttpOnly; SameSite=Strict$`));
    expect(cookie).not.toContain(token);
    const held = { cookie: cookie!.split(";")[0]! };
    expect((await fetch(`${origin}/api/project`, { headers: held })).status).toBe(200);
    expect((await trade({}, held)).status).toBe(204);
  });

  test("the printed address has the token where no request carries it", () => {
    const { url, token, origin } = project.server;
    expect(url).toBe(`${origin}/#token=${token}`);
    expect(token).toMatch(/^[\w-]{22}$/);
  });
});

describe("bodies", () => {
  test("are JSON objects of 1 MB at most, said to be JSON", async () => {
    const { origin, token } = project.server;
    const post = async (body: string, type = "application/json") => {
      const headers = { authorization: `Bearer ${token}`, "content-type": type };
      return (await fetch(`${origin}/api/threads`, { method: "POST", headers, body })).status;
    };
    expect(await post('{"flow":"words"}')).toBe(200);
    expect(await post('{"flow":"words"}', "text/plain")).toBe(415);
    expect(await post("{")).toBe(400);
    expect(await post("[]")).toBe(400);
    expect(await post('{"flow":"words","other":1}')).toBe(400);
    expect(await post('{"flow":1}')).toBe(400);
    expect(await post(`{"flow":"${"x".repeat(1024 * 1024)}"}`)).toBe(413);
  });

  test("that are too long are refused before they are read, also in chunks", async () => {
    const { port } = project.server;
    const head = ["POST /api/threads HTTP/1.1", `Host: 127.0.0.1:${port}`, bearer(), "Content-Type: application/json"];
    const named = openRaw(port, ...head, "Content-Length: 99999999");
    const [first] = (await once(named, "data")) as [Buffer];
    expect(statusOf(first.toString())).toBe(413);
    named.destroy();
    const chunked = openRaw(port, ...head, "Transfer-Encoding: chunked");
    chunked.on("error", () => {});
    const piece = "x".repeat(64 * 1024);
    for (let sent = 0; sent < 32; sent += 1) chunked.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    const [answer] = (await once(chunked, "data")) as [Buffer];
    expect(statusOf(answer.toString())).toBe(413);
    chunked.destroy();
  });
});

describe("routes", () => {
  test("that are unknown, or asked in a wrong way, are told apart", async () => {
    expect(await project.refusal("GET", "/nothing")).toBe("ROUTE_UNKNOWN");
    expect(await project.refusal("PATCH", "/project")).toBe("METHOD_WRONG");
    expect(await project.refusal("GET", "/flows/none")).toBe("FLOW_UNKNOWN");
    expect(await project.refusal("GET", "/runs/words/none")).toBe("RUN_UNKNOWN");
    expect(await project.refusal("GET", "/threads/none")).toBe("THREAD_UNKNOWN");
    expect(await project.refusal("POST", "/pauses/none", { value: 1 })).toBe("PAUSE_UNKNOWN");
    expect(await project.refusal("GET", "/runs?cursor=x")).toBe("INPUT_MALFORMED");
    expect(await project.refusal("GET", "/events?since=other.1")).toBe("SEQ_GONE");
  });
});
