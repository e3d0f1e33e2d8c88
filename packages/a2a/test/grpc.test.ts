import { TaskState } from "@a2a-js/sdk";
import { ClientFactory } from "@a2a-js/sdk/client";
import { GrpcTransportFactory } from "@a2a-js/sdk/client/grpc";
import { A2AService, grpcService } from "@a2a-js/sdk/server/grpc";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { A2AServerAdapter, type ServedFlow } from "@penguiflow/a2a/server";
import { create, payloadNode } from "penguiflow";
import { expect, onTestFinished, test } from "vitest";
import { collect, saying, taskOf, textIn } from "./speak.ts";
import { waiting } from "./waiting.ts";

const card = { name: "grpc", description: "Over gRPC", version: "1", skills: [{ id: "main", description: "x" }] };

/** Serves a flow over gRPC as the guide says. */
async function serve(flow: ServedFlow) {
  (flow.run as () => unknown).call(flow);
  const adapter = new A2AServerAdapter(flow, { card, mayUseTenant: (_, tenant) => tenant !== "forbidden" });
  const { requestHandler, contextBuilder } = adapter;
  const server = new Server();
  const nobody = { isAuthenticated: false, userName: "" };
  server.addService(A2AService, grpcService({ requestHandler, contextBuilder, userBuilder: async () => nobody }));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  onTestFinished(async () => {
    await flow.stop();
    server.forceShutdown();
  });
  const url = `127.0.0.1:${port}`;
  adapter.card.supportedInterfaces = [{ url, protocolBinding: "GRPC", tenant: "", protocolVersion: "1.0" }];
  return await new ClientFactory({ transports: [new GrpcTransportFactory()] }).createFromAgentCard(adapter.card);
}

test("a flow is served over gRPC by the SDK's service", async () => {
  const spell = payloadNode("spell", async (word: string, ctx) => {
    for (const letter of word) await ctx.emitChunk({ text: letter });
    return word.length;
  });
  const client = await serve(create(spell.to()));
  const task = await taskOf(client.sendMessage(saying("pingu")));
  expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
  expect(task.artifacts.map(textIn)).toEqual(["pingu", ""]);
  const events = await collect(client.sendMessageStream(saying("egg", {}, { tenant: "acme" })));
  expect(events.map(({ $case }) => $case)).toEqual([
    "task",
    ...Array<string>(5).fill("artifactUpdate"),
    "statusUpdate",
  ]);
  await expect(client.sendMessage(saying("x", {}, { tenant: "forbidden" }))).rejects.toThrow("may not call for tenant");
});

test("a task is cancelled over gRPC, by its own tenant alone", async () => {
  const { flow, begun, stopped } = waiting();
  const client = await serve(flow);
  const reading = collect(client.sendMessageStream(saying("x", {}, { tenant: "acme" })));
  const id = await begun;
  await expect(client.cancelTask({ tenant: "bob", id, metadata: undefined })).rejects.toThrow(/not found/i);
  const cancelled = await client.cancelTask({ tenant: "acme", id, metadata: undefined });
  await stopped;
  expect(cancelled.status?.state).toBe(TaskState.TASK_STATE_CANCELED);
  expect((await reading).at(-1)).toMatchObject({ $case: "statusUpdate" });
});
