import { A2AClientTransport } from "@penguiflow/a2a/client";
import { create, Message, payloadNode, type RemoteStreamEvent } from "penguiflow";
import { ClientFactory, JsonRpcTransportFactory, RestTransportFactory } from "a2a-sdk-v03/client";
import { GrpcTransportFactory } from "a2a-sdk-v03/client/grpc";
import { describe, expect, test } from "vitest";
import { serve } from "./serve.ts";
import { BINDINGS } from "./speak.ts";
import { waiting } from "./waiting.ts";

const spell = () =>
  create(
    payloadNode("spell", async (word: string, ctx) => {
      for (const letter of word) await ctx.emitChunk({ text: letter });
      return { letters: word.length };
    }).to(),
  );

/** Builds a message as clients of version 0.3 send it. */
const saying = (text: string) => ({
  message: {
    kind: "message" as const,
    messageId: crypto.randomUUID(),
    role: "user" as const,
    parts: [{ kind: "text" as const, text }],
  },
});

describe.each(BINDINGS)("a client of version 0.3 over %s", (binding) => {
  const speak = async (url: string) => {
    const transports = [new JsonRpcTransportFactory(), new RestTransportFactory(), new GrpcTransportFactory()];
    return await new ClientFactory({ transports, preferredTransports: [binding] }).createFromUrl(url);
  };

  test("sends, streams and reads tasks", async () => {
    const { url } = await serve(spell());
    const client = await speak(url);
    const task = await client.sendMessage(saying("pingu"));
    if (task.kind !== "task") throw new Error("The answer is no task");
    expect(task.status.state).toBe("completed");
    expect(task.artifacts?.map(({ parts }) => parts)).toMatchObject([
      [{ kind: "text", text: "pingu" }],
      [{ kind: "data", data: { letters: 5 } }],
    ]);
    expect(await client.getTask({ id: task.id })).toMatchObject({ id: task.id, status: { state: "completed" } });

    const kinds: string[] = [];
    for await (const event of client.sendMessageStream(saying("egg"))) kinds.push(event.kind);
    expect(kinds).toEqual(["task", ...Array<string>(5).fill("artifact-update"), "status-update"]);
  });

  test("cancels a task, and the handler stops", async () => {
    const { flow, begun, stopped } = waiting();
    const { url } = await serve(flow);
    const client = await speak(url);
    const reading = (async () => {
      let last: unknown;
      for await (const event of client.sendMessageStream(saying("x"))) last = event;
      return last;
    })();
    expect(await client.cancelTask({ id: await begun })).toMatchObject({ status: { state: "canceled" } });
    await stopped;
    expect(await reading).toMatchObject({ kind: "status-update", final: true, status: { state: "canceled" } });
  });
});

test("an agent that speaks version 0.3 alone is called all the same", async () => {
  const { adapter, url } = await serve(spell());
  adapter.card.supportedInterfaces = adapter.card.supportedInterfaces.filter(
    ({ protocolVersion }) => protocolVersion === "0.3",
  );
  const transport = new A2AClientTransport();
  const { signal } = new AbortController();
  const message = new Message({ payload: "pingu" });
  const events: RemoteStreamEvent[] = [];
  for await (const event of transport.stream({ message, agentUrl: url, skill: "main", idempotencyKey: "k", signal }))
    events.push(event);
  expect(events.map(({ text = "" }) => text).join("")).toBe("pingu");
  expect(events.at(-1)).toMatchObject({ done: true, result: { letters: 5 }, state: "completed" });
  for (const binding of ["JSONRPC", "HTTP+JSON"] as const) {
    const other = new A2AClientTransport({ bindings: [binding] });
    await expect(other.cancel({ tenant: "default", agentUrl: url, taskId: "none" })).resolves.toBeUndefined();
  }
});
