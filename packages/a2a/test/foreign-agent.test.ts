import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type AgentCard, type Part, Role, type TaskStatus, TaskState } from "@a2a-js/sdk";
import {
  AgentEvent,
  type AgentExecutor,
  DefaultRequestHandler,
  type ExecutionEventBus,
  InMemoryTaskStore,
  type RequestContext,
} from "@a2a-js/sdk/server";
import { agentCardHandler, jsonRpcHandler, UserBuilder } from "@a2a-js/sdk/server/express";
import { A2AClientTransport } from "@penguiflow/a2a/client";
import express from "express";
import { Message, type RemoteCallRequest, type RemoteStreamEvent } from "penguiflow";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { until } from "./waiting.ts";

// the SDK logs every refusal to the console
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

const text = (value: string): Part => ({
  content: { $case: "text", value },
  mediaType: "text/plain",
  filename: "",
  metadata: undefined,
});
const data = (value: unknown): Part => ({
  content: { $case: "data", value },
  mediaType: "application/json",
  filename: "",
  metadata: undefined,
});

/** Operations of a foreign agent, which is no flow, on a task. */
class Doing {
  readonly ids: { readonly taskId: string; readonly contextId: string };
  readonly #bus: ExecutionEventBus;

  constructor({ taskId, contextId }: RequestContext, bus: ExecutionEventBus) {
    this.ids = { taskId, contextId };
    this.#bus = bus;
  }

  begin(): void {
    const { taskId: id, contextId } = this.ids;
    const status = this.#status(TaskState.TASK_STATE_SUBMITTED, []);
    this.#bus.publish(AgentEvent.task({ id, contextId, status, artifacts: [], history: [], metadata: undefined }));
  }

  say(artifactId: string, parts: Part[], append: boolean): void {
    const artifact = { artifactId, name: "", description: "", parts, metadata: undefined, extensions: [] };
    const update = { ...this.ids, artifact, append, lastChunk: false, metadata: undefined };
    this.#bus.publish(AgentEvent.artifactUpdate(update));
  }

  become(state: TaskState, ...parts: Part[]): void {
    const status = this.#status(state, parts);
    this.#bus.publish(AgentEvent.statusUpdate({ ...this.ids, status, metadata: undefined }));
  }

  answer(...parts: Part[]): void {
    this.#bus.publish(AgentEvent.message(this.#message(parts, "")));
  }

  #status(state: TaskState, parts: Part[]): TaskStatus {
    const message = parts.length === 0 ? undefined : this.#message(parts, this.ids.taskId);
    return { state, message, timestamp: new Date().toISOString() };
  }

  #message(parts: Part[], taskId: string) {
    const { contextId } = this.ids;
    const none = { metadata: undefined, extensions: [], referenceTaskIds: [] };
    return { messageId: crypto.randomUUID(), taskId, contextId, role: Role.ROLE_AGENT, parts, ...none };
  }
}

/** Serves an agent built with the SDK only. */
async function serve(work: (doing: Doing) => void | Promise<void>, streaming = true): Promise<string> {
  const atWork = new Map<string, Doing>();
  const executor: AgentExecutor = {
    execute: async (context, bus) => {
      const doing = new Doing(context, bus);
      atWork.set(context.taskId, doing);
      await work(doing);
    },
    cancelTask: async (taskId) => atWork.get(taskId)?.become(TaskState.TASK_STATE_CANCELED),
  };
  const app = express();
  const server = createServer(app).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => void server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const card: AgentCard = {
    name: "foreign",
    description: "No flow",
    version: "1",
    supportedInterfaces: [{ url: `${url}/rpc`, protocolBinding: "JSONRPC", tenant: "", protocolVersion: "1.0" }],
    provider: undefined,
    capabilities: { streaming, pushNotifications: false, extensions: [] },
    securitySchemes: {},
    securityRequirements: [],
    defaultInputModes: [],
    defaultOutputModes: [],
    skills: [
      {
        id: "main",
        name: "main",
        description: "",
        tags: [],
        examples: [],
        inputModes: [],
        outputModes: [],
        securityRequirements: [],
      },
    ],
    signatures: [],
  };
  const requestHandler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor);
  app.use("/.well-known/agent-card.json", agentCardHandler({ agentCardProvider: requestHandler }));
  app.use("/rpc", jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication }));
  return url;
}

async function ask(agentUrl: string, more: Partial<RemoteCallRequest> = {}): Promise<RemoteStreamEvent[]> {
  const message = new Message({ payload: { question: 1 }, headers: { tenant: "acme" } });
  const { signal } = new AbortController();
  const request = { message, agentUrl, skill: "main", idempotencyKey: message.traceId, signal, ...more };
  const events: RemoteStreamEvent[] = [];
  for await (const event of new A2AClientTransport({ pollMs: 5 }).stream(request)) events.push(event);
  return events;
}

describe.each([true, false])("an agent that is no flow (it streams: %s)", (streaming) => {
  test("its text comes in pieces with their places, and is the result when there is no data", async () => {
    const url = await serve(async (doing) => {
      doing.begin();
      for (const word of ["one ", "two ", "three"]) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        doing.say("answer", [text(word)], word !== "one ");
      }
      doing.become(TaskState.TASK_STATE_COMPLETED);
    }, streaming);
    const events = await ask(url);
    let length = 0;
    for (const { text: piece, at } of events) {
      if (piece === undefined) continue;
      expect(at).toBe(length);
      length += piece.length;
    }
    expect(events.map(({ text: piece = "" }) => piece).join("")).toBe("one two three");
    expect(events.at(-1)).toMatchObject({ done: true, state: "completed", result: "one two three" });
  });

  test("its data is the result, whatever it says beside", async () => {
    const url = await serve((doing) => {
      doing.begin();
      doing.become(TaskState.TASK_STATE_WORKING, text("thinking"));
      doing.say("report", [text("see the figures"), data({ sum: 42 })], false);
      doing.say("appendix", [text("the end")], false);
      doing.become(TaskState.TASK_STATE_COMPLETED, text("done"));
    }, streaming);
    expect((await ask(url)).at(-1)).toMatchObject({ done: true, result: { sum: 42 } });
  });

  test("a message without a task is a result without one", async () => {
    const url = await serve((doing) => doing.answer(text("hello")), streaming);
    const told: unknown[] = [];
    const events = await ask(url, { onTask: (task) => void told.push(task) });
    expect(events).toMatchObject([{ done: true, result: "hello" }]);
    expect(told).toEqual([]);
  });

  test("what it wants of its caller is an outcome, and a rejected task a failure", async () => {
    const wants = await serve((doing) => {
      doing.begin();
      doing.become(TaskState.TASK_STATE_AUTH_REQUIRED, text("Sign in"), data({ url: "https://example.com" }));
    }, streaming);
    expect((await ask(wants)).at(-1)).toMatchObject({
      state: "auth-required",
      result: { reason: "Sign in", payload: { url: "https://example.com" } },
    });
    const rejects = await serve((doing) => {
      doing.begin();
      doing.become(TaskState.TASK_STATE_REJECTED, text("Not my business"));
    }, streaming);
    await expect(ask(rejects)).rejects.toMatchObject({
      code: "REMOTE_FAILED",
      message: `A task of agent "${rejects}" was rejected: Not my business`,
    });
  });

  test("its task is known early and can be cancelled", async () => {
    const url = await serve(async (doing) => {
      doing.begin();
      await new Promise((resolve) => setTimeout(resolve, 3_000));
    }, streaming);
    let taskId: string | undefined;
    const answer = ask(url, { onTask: (task) => void (taskId = task.taskId) });
    answer.catch(() => {});
    await until(async () => taskId);
    await new A2AClientTransport().cancel({ tenant: "acme", agentUrl: url, taskId: taskId ?? "" });
    await expect(answer).rejects.toMatchObject({ code: "REMOTE_FAILED", details: { state: "TASK_STATE_CANCELED" } });
  });
});
