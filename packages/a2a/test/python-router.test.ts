import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { A2AServerAdapter } from "@penguiflow/a2a/server";
import express from "express";
import { create, node, payloadNode } from "penguiflow";
import { expect, onTestFinished, test } from "vitest";
import { waiting } from "./waiting.ts";

const card = { name: "Main", description: "d", version: "2.1.0", skills: [{ id: "orchestrate", description: "s" }] };

async function serve(adapter: A2AServerAdapter) {
  for (const flow of adapter.flows) (flow.run as () => unknown).call(flow);
  const server = createServer(express().use(adapter.pythonRouter())).listen(0, "127.0.0.1");
  onTestFinished(async () => {
    await Promise.all(adapter.flows.map((flow) => flow.stop()));
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => void server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const post = (path: string, body: unknown) =>
    fetch(url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return { url, post };
}

/** Parses server-sent events into names and data. */
function parse(text: string): [string, Record<string, unknown>][] {
  return text
    .split("\n\n")
    .filter(Boolean)
    .map((event) => {
      const [, name = "", data = ""] = /^event: (.*)\ndata: (.*)$/.exec(event) ?? [];
      return [name, JSON.parse(data) as Record<string, unknown>];
    });
}

const headers = { tenant: "acme" };

test("sends a chunk with data as a chunk whose text is empty", async () => {
  const flow = create(
    payloadNode("count", async (count: number, ctx) => {
      await ctx.emitChunk({ kind: "blank", data: { count } });
      return count;
    }).to(),
  );
  const { post } = await serve(new A2AServerAdapter(flow, { card }));
  const events = parse(await (await post("/message/stream", { payload: 3, headers })).text());
  expect(events.filter(([name]) => name === "chunk")).toMatchObject([
    ["chunk", { text: "", kind: "blank", data: { count: 3 } }],
  ]);
});

test("answers as the routes of Python do", async () => {
  const flow = create(
    node("echo", async ({ payload, meta }, ctx) => {
      const { query } = payload as { query: string };
      if (query === "bad") throw new TypeError("No such penguin");
      await ctx.emitChunk({ text: `partial:${query}` });
      return { echo: query, tenant: ctx.tenant, request: meta["request"] };
    }).to(),
  );
  const { url, post } = await serve(new A2AServerAdapter(flow, { card }));
  expect(await (await fetch(`${url}/agent`)).json()).toMatchObject({ name: "Main", skills: [{ id: "orchestrate" }] });

  const sent = await post("/message/send", { payload: { query: "penguins" }, headers, meta: { request: "r-1" } });
  expect(await sent.json()).toEqual({
    status: "succeeded",
    output: { echo: "penguins", tenant: "acme", request: "r-1" },
    taskId: expect.any(String) as string,
    contextId: expect.any(String) as string,
  });
  const failed = await post("/message/send", { payload: { query: "bad" }, headers });
  expect(await failed.json()).toMatchObject({
    status: "failed",
    error: { code: "NODE_EXCEPTION", message: expect.stringContaining("No such penguin") as string },
  });

  const stream = await post("/message/stream", { payload: { query: "x" }, headers });
  expect(stream.headers.get("content-type")).toBe("text/event-stream");
  const events = parse(await stream.text());
  expect(events.map(([name]) => name)).toEqual(["status", "chunk", "artifact", "done"]);
  expect(events[0]?.[1]).toMatchObject({ status: "accepted" });
  expect(events[1]?.[1]).toMatchObject({ text: "partial:x", taskId: events[0]?.[1]["taskId"] });
  expect(events[2]?.[1]).toMatchObject({ output: { echo: "x" } });
});

test("wants a tenant and a payload", async () => {
  const flow = create(payloadNode("echo", (value: unknown) => value).to());
  const { post } = await serve(new A2AServerAdapter(flow, { card }));
  for (const body of [{ payload: 1 }, { payload: 1, headers: {} }, { headers }, []]) {
    const response = await post("/message/send", body);
    expect(response.status).toBe(422);
    expect(await response.json()).toEqual({
      detail: expect.stringMatching(/must have a "tenant"|is missing/) as string,
    });
  }
  expect((await post("/tasks/cancel", { headers, taskId: "none" })).status).toBe(404);
});

test("cancels a task, of its own tenant alone, and its stream says so", async () => {
  const { flow, begun, stopped } = waiting();
  const { post } = await serve(new A2AServerAdapter(flow, { card }));
  const stream = await post("/message/stream", { payload: "x", headers });
  const taskId = await begun;
  expect((await post("/tasks/cancel", { headers: { tenant: "bob" }, taskId })).status).toBe(404);
  expect(await (await post("/tasks/cancel", { headers, taskId })).json()).toMatchObject({ taskId, cancelled: true });
  await stopped;
  const events = parse(await stream.text());
  expect(events.slice(-2)).toMatchObject([
    ["error", { code: "TRACE_CANCELLED" }],
    ["done", { status: "cancelled", taskId }],
  ]);
});
