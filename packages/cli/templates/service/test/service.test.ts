import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { HttpAgent } from "@ag-ui/client";
import { A2AClientTransport } from "@penguiflow/a2a/client";
import { create, remoteNode, shape } from "penguiflow";

const folder = mkdtempSync(path.join(tmpdir(), "service-"));
const told = new Set<string>();
const children = new Set<ChildProcess>();
// stands for an OpenTelemetry collector
const collector = createServer((request, response) => {
  told.add(request.url ?? "");
  request.resume().once("end", () => response.end("{}"));
});

before(() => once(collector.listen(0, "127.0.0.1"), "listening"));
after(() => {
  for (const child of children) child.kill("SIGKILL");
  collector.closeAllConnections();
  collector.close();
  rmSync(folder, { recursive: true });
});

/** Starts the service as a process of its own. */
async function start(name: string, tokens = "") {
  const child = spawn(process.execPath, [...process.execArgv, "src/main.ts"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      PORT: "0",
      TOKENS: tokens,
      CHECKPOINTS: path.join(folder, name),
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    },
  });
  children.add(child);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const first = String((await lines.next()).value);
  const [, url = "", goOn = ""] = /^Listening on (\S+); (\d+) orders go on$/.exec(first) ?? [];
  const end = async (signal: NodeJS.Signals): Promise<unknown> => {
    child.kill(signal);
    const [code] = (await once(child, "exit")) as [number | null];
    return code;
  };
  const order = async (id: string, text: string, method = "PUT", authorization = "") => {
    const request = { method, body: text, headers: { authorization } };
    const answer = await fetch(`${url}/orders/${id}`, request);
    return [answer.status, await answer.json()] as [number, { answer?: string; asks?: string[] }];
  };
  return { url, goOn, end, order };
}

test("an order is booked once, its spans and metrics are sent, and SIGTERM ends the service", async () => {
  const service = await start("http.db");
  for (let time = 0; time < 2; time += 1)
    assert.deepEqual(await service.order("one", "3 lanterns"), [200, { id: "one", answer: "3 lanterns: booked." }]);
  assert.equal((await service.order("two", "lanterns"))[0], 422);
  assert.equal((await fetch(`${service.url}/healthz`)).status, 200);
  assert.equal(await service.end("SIGTERM"), 0);
  assert.deepEqual([...told].sort(), ["/v1/metrics", "/v1/traces"]);
});

test("a large order waits for a person, in the next process, too", async () => {
  const first = await start("pause.db");
  assert.equal((await first.order("big", "40 lanterns"))[0], 202);
  const chat = new HttpAgent({ url: `${first.url}/agui`, threadId: "chat" });
  chat.addMessage({ id: "1", role: "user", content: "50 boots" });
  await chat.runAgent();
  await first.end("SIGTERM");

  const service = await start("pause.db");
  assert.equal(service.goOn, "2");
  assert.equal((await service.order("big", "true", "POST"))[0], 200);
  assert.deepEqual((await service.order("big", "40 lanterns"))[1], { id: "big", answer: "40 lanterns: booked." });
  chat.url = `${service.url}/agui`;
  const [asked] = chat.pendingInterrupts;
  await chat.runAgent({ resume: [{ interruptId: asked?.id ?? "", status: "resolved", payload: true }] });
  assert.equal(chat.messages.at(-1)?.content, "50 boots: booked.");
  assert.equal(await service.end("SIGTERM"), 0);
});

test("an agent asks over A2A, and a caller without a token is refused", async () => {
  const service = await start("a2a.db", "acme:a-token-of-acme-0001");
  const headers = { authorization: "Bearer a-token-of-acme-0001" };
  const ask = remoteNode("ask", {
    transport: new A2AClientTransport({ headers: () => headers }),
    agentUrl: service.url,
    skill: "order",
    input: shape<string>(),
    output: shape<string>(),
    policy: { timeoutMs: 30_000 },
  });
  await using caller = create(ask.to(), { name: "caller" }).run();
  assert.equal(await caller.call("3 lanterns", { tenant: "acme" }), "3 lanterns: booked.");
  assert.equal((await service.order("one", "3 lanterns"))[0], 401);
  assert.equal((await service.order("one", "3 lanterns", "PUT", headers.authorization))[0], 200);
  const chat = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
  assert.equal((await fetch(`${service.url}/agui`, chat)).status, 401);
  assert.equal(await service.end("SIGTERM"), 0);
});
