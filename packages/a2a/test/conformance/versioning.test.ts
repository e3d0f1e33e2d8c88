import { ListTasksRequest } from "@a2a-js/sdk";
import { A2AService } from "@a2a-js/sdk/server/grpc";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { A2AClientTransport } from "@penguiflow/a2a/client";
import { A2AServerAdapter, createA2AApp } from "@penguiflow/a2a/server";
import { create, remoteNode } from "penguiflow";
import { expect, onTestFinished, test } from "vitest";
import { createFlow, options } from "../../../../examples/a2a-tck-agent/main.ts";
import { finished, rule, say, taskIn } from "./rule.ts";
import { readCard } from "./shapes.ts";
import { BINDINGS, type Json, type WireClient } from "./wire-client.ts";

const OLD = {
  message: { kind: "message", role: "user", parts: [{ kind: "text", text: "Hello" }], messageId: "tck-old" },
};

/** Sends a request of version 0.3. */
async function askOld({ name, url }: WireClient, headers: Readonly<Record<string, string>>): Promise<Json> {
  const body =
    name === "JSON-RPC"
      ? { jsonrpc: "2.0", id: 1, method: "message/send", params: OLD }
      : { message: { role: "ROLE_USER", content: [{ text: "Hello" }], message_id: "tck-old" } };
  const at = name === "JSON-RPC" ? url : `${url}/v1/message:send`;
  const init = { method: "POST", headers: { "content-type": "application/json", ...headers } };
  const response = await fetch(at, { ...init, body: JSON.stringify(body) });
  return (await response.json()) as Json;
}

/** State of a task as version 0.3 spells it. */
const OLD_STATE = { "JSON-RPC": '"state":"completed"', "HTTP+JSON": '"state":"TASK_STATE_COMPLETED"' };

rule("VER-CLIENT-001", async ({ url }) => {
  const versions: (string | null)[] = [];
  const seen: typeof fetch = (input, init) => {
    versions.push(new Headers(init?.headers).get("A2A-Version"));
    return fetch(input, init);
  };
  const transport = new A2AClientTransport({ fetch: seen });
  const policy = { timeoutMs: 5_000 };
  const ask = remoteNode("ask", { transport, agentUrl: url, skill: "tck", policy });
  await using flow = create(ask.to());
  flow.run();
  expect(await flow.call("Hello", { tenant: "acme" })).toBe("Hello from TCK");
  expect(versions.length).toBeGreaterThan(1);
  expect(new Set(versions)).toEqual(new Set(["1.0"]));
});

rule("VER-CLIENT-002", async ({ wire }) => {
  for (const version of ["1.0.0", "1.0.1", "1.0.27"])
    expect((await wire.ask("SendMessage", say("complete-task"), { "A2A-Version": version })).task).toBeDefined();
  await wire.refused("ListTasks", {}, "VersionNotSupportedError", { "A2A-Version": "1.1.0" });
});

test("VER-CLIENT-002 the patch of a version makes no difference (gRPC)", async () => {
  const adapter = new A2AServerAdapter(createFlow(), options);
  await using app = createA2AApp(adapter, { handleSignals: false, drainMs: 0, grpc: {} });
  await app.listen();
  const address = adapter.card.supportedInterfaces.find(({ protocolBinding }) => protocolBinding === "GRPC")?.url ?? "";
  const client = new Client(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const { path, requestSerialize, responseDeserialize } = A2AService.listTasks;
  const listed = async (version: string) => {
    const metadata = new Metadata();
    metadata.set("a2a-version", version);
    return await new Promise<number>((resolve) => {
      const query = ListTasksRequest.fromJSON({ pageSize: 1 });
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, query, metadata, (error) =>
        resolve(error?.code ?? 0),
      );
    });
  };
  expect([await listed("1.0"), await listed("1.0.27"), await listed("1.1.0")]).toEqual([0, 0, 9]);
});

rule(
  "VER-SERVER-001",
  async ({ wire, url }) => {
    expect((await finished(wire)).status.state).toBe("TASK_STATE_COMPLETED");
    const old = JSON.stringify(await askOld(wire, { "A2A-Version": "0.3" }));
    expect(old).toContain(OLD_STATE[wire.name]);
    const at = `${url}/.well-known/agent-card.json`;
    readCard(await (await fetch(at, { headers: { "A2A-Version": "1.0" } })).json());
    const card = (await (await fetch(at, { headers: { "A2A-Version": "0.3" } })).json()) as Json;
    expect(card).toMatchObject({ protocolVersion: "0.3", url: url + BINDINGS["JSON-RPC"].path });
  },
  { agent: { ...options, legacy: true } },
);

rule(
  "VER-SERVER-001",
  async ({ wire, url }) => {
    const { path, ...init } = BINDINGS[wire.name].request("SendMessage", say("complete-task"), 1);
    const headers = { "content-type": "application/json" };
    const at = `${url}${BINDINGS[wire.name].path}${path}?A2A-Version=1.0`;
    const result = BINDINGS[wire.name].result(await (await fetch(at, { ...init, headers })).json(), 1);
    expect(taskIn(result as object).status.state).toBe("TASK_STATE_COMPLETED");
  },
  { detail: "in the query, too" },
);

rule("VER-SERVER-002", async ({ wire }) => {
  for (const version of ["99.0", "0.5", "2.0", "one"]) {
    const headers = { "A2A-Version": version };
    await wire.refused("SendMessage", say("complete-task"), "VersionNotSupportedError", headers);
    await wire.refused("GetTask", { id: "none" }, "VersionNotSupportedError", headers);
  }
  expect((await wire.ask("ListTasks", {})).tasks).toEqual([]);
});

rule("VER-SERVER-003", async ({ wire }) => {
  // this agent does not speak 0.3
  await wire.refused("SendMessage", say("complete-task"), "VersionNotSupportedError", { "A2A-Version": "" });
});

rule(
  "VER-SERVER-003",
  async ({ wire }) => {
    for (const headers of [{}, { "A2A-Version": "" }])
      expect(JSON.stringify(await askOld(wire, headers))).toContain(OLD_STATE[wire.name]);
  },
  { detail: "which may be spoken", agent: { ...options, legacy: true } },
);
