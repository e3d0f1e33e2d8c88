import { once } from "node:events";
import { createServer, Server } from "node:http";
import http2 from "node:http2";
import { InMemoryPushNotificationStore, type TaskStore } from "@a2a-js/sdk/server";
import {
  A2AServerAdapter,
  type A2AServerOptions,
  createA2AApp,
  MemoryTaskStore,
  type PushOptions,
  type ServedFlow,
} from "@penguiflow/a2a/server";
import { create, payloadNode } from "penguiflow";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { serve } from "./serve.ts";
import { BINDINGS, collect, saying, speak, taskOf } from "./speak.ts";
import { until, waiting } from "./waiting.ts";

// the SDK and the server log every failure to the console
beforeEach(() => {
  for (const method of ["error", "warn"] as const) vi.spyOn(console, method).mockImplementation(() => {});
});

/** Collects unhandled rejections and exceptions, which would have ended the process. */
function uncaught(): unknown[] {
  const found: unknown[] = [];
  const take = (reason: unknown): void => void found.push(reason);
  for (const event of ["unhandledRejection", "uncaughtException"] as const) {
    const others = process.listeners(event as "uncaughtException");
    process.removeAllListeners(event);
    process.on(event, take);
    onTestFinished(() => {
      process.off(event, take);
      for (const listener of others) process.on(event, listener);
    });
  }
  return found;
}

/** Lets timers, rejections and closed connections settle. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 50));

const shout = () => create(payloadNode("shout", (text: string) => text.toUpperCase()).to());

/** A thrown value that cannot be converted to a string. */
const hostile: unknown = Object.create(null);

const faulty = (): Promise<never> => Promise.reject(hostile);

/** Creates a stream that fails at its first step. */
const broken = (): AsyncIterable<never> => ({ [Symbol.asyncIterator]: () => ({ next: faulty }) });

const config = (url: string, more: object = {}) => ({
  tenant: "",
  id: "c",
  taskId: "",
  url,
  token: "",
  authentication: undefined,
  ...more,
});

/** URL of a closed port. */
const CLOSED = "http://127.0.0.1:1/";

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const push = { allowPrivate: true, backoffMs: 1, maxAttempts: 1, logger: quiet } satisfies PushOptions;

const telling = (url: string, more: object = {}) => ({
  configuration: {
    acceptedOutputModes: [],
    taskPushNotificationConfig: config(url, more),
    returnImmediately: false,
  },
});

const BAD_VALUES = ["line\nbreak", "line\rbreak", "nul\0", "snow\u2603", "\u007f"];

describe("a value that no HTTP header may have is refused when a push target is named", () => {
  const bad = BAD_VALUES.flatMap((value) => [
    { token: value },
    { authentication: { scheme: "Bearer", credentials: value } },
    { authentication: { scheme: value, credentials: "key" } },
  ]);

  test.each(BINDINGS)("with a message, and for a task, over %s", async (binding) => {
    const found = uncaught();
    const { url } = await serve(shout(), { pushNotifications: push });
    const client = await speak(url, binding);
    const { id: taskId } = await taskOf(client.sendMessage(saying("x")));
    for (const more of bad) {
      const refusal = /cannot be sent in a header/;
      await expect(client.sendMessage(saying("x", {}, telling(CLOSED, more)))).rejects.toThrow(refusal);
      await expect(client.createTaskPushNotificationConfig({ ...config(CLOSED, more), taskId })).rejects.toThrow(
        refusal,
      );
    }
    await settled();
    expect(found).toEqual([]);
  });

  test("with -32602, and HTTP status 400", async () => {
    const { url } = await serve(shout(), { pushNotifications: push });
    const message = { messageId: "m", role: "ROLE_USER", parts: [{ text: "x" }] };
    const params = { message, configuration: { taskPushNotificationConfig: { url: CLOSED, token: "a\nb" } } };
    const headers = { "content-type": "application/json", "A2A-Version": "1.0" };
    const post = async (path: string, body: object) =>
      await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
    const rpc = await post("/a2a/jsonrpc", { jsonrpc: "2.0", id: 1, method: "SendMessage", params });
    expect(await rpc.json()).toMatchObject({ id: 1, error: { code: -32_602 } });
    expect((await post("/a2a/rest/message:send", params)).status).toBe(400);
  });
});

describe("no fault in the background ends the process", () => {
  /** Wraps a store so that one of its methods fails while `isFailing` holds. */
  function failing<Store extends object>(store: Store, method: keyof Store, isFailing: () => boolean): Store {
    return new Proxy(store, {
      get: (target, name) => {
        const own: unknown = Reflect.get(target, name);
        if (typeof own !== "function") return own;
        return (...args: unknown[]): unknown =>
          name === method && isFailing() ? faulty() : (own as (...given: unknown[]) => unknown).apply(target, args);
      },
    });
  }

  const chatty = () =>
    create(
      payloadNode("say", async (text: string, ctx) => {
        for (const letter of text) await ctx.emitChunk({ text: letter });
        return text;
      }).to(),
    );

  const withStore = (taskStore: TaskStore): Partial<A2AServerOptions> => ({ taskStore });

  test.each([
    ["save", 0],
    ["save", 1],
    ["save", 2],
    ["save", 4],
    ["load", 0],
    ["load", 3],
  ] as const)("the task store: %s, after %i times", async (method, after) => {
    const found = uncaught();
    let times = 0;
    const isFailing = (): boolean => (times += 1) > after;
    const { url } = await serve(chatty(), withStore(failing(new MemoryTaskStore(), method, isFailing)));
    for (const binding of BINDINGS) {
      const client = await speak(url, binding);
      await collect(client.sendMessageStream(saying("hello"))).catch(() => {});
      await client.sendMessage(saying("hello")).catch(() => {});
    }
    await settled();
    expect(found).toEqual([]);
  });

  test.each(["load", "loadWithMetadata", "save", "delete"] as const)(
    "the store of push targets: %s",
    async (method) => {
      const found = uncaught();
      const store = failing(new InMemoryPushNotificationStore(), method, () => true);
      const { url } = await serve(chatty(), { pushNotifications: { ...push, store } });
      const client = await speak(url, "JSONRPC");
      await client.sendMessage(saying("hello", {}, telling(CLOSED))).catch(() => {});
      await settled();
      expect(found).toEqual([]);
    },
  );

  test("a stored push target whose values no header may have: it is reported, and the others are told", async () => {
    const found = uncaught();
    const warn = vi.fn<(event: string, facts?: Readonly<Record<string, unknown>>) => void>();
    const store = new InMemoryPushNotificationStore();
    const load: typeof store.loadWithMetadata = async () =>
      BAD_VALUES.map((token, index) => ({ config: config(CLOSED, { token, id: `${index}` }), wireVersion: "1.0" }));
    Object.assign(store, { loadWithMetadata: load });
    const { url } = await serve(shout(), { pushNotifications: { ...push, store, logger: { ...quiet, warn } } });
    const client = await speak(url, "JSONRPC");
    await taskOf(client.sendMessage(saying("hello")));
    await until(async () => warn.mock.calls.length === 3 * BAD_VALUES.length);
    expect(found).toEqual([]);
  });

  test("a logger that throws, or rejects, while a delivery fails", async () => {
    const found = uncaught();
    for (const warn of [
      (): never => {
        throw hostile as Error;
      },
      faulty as unknown as () => void,
    ]) {
      const { app, url } = await serve(shout(), { pushNotifications: { ...push, logger: { ...quiet, warn } } });
      const client = await speak(url, "JSONRPC");
      await taskOf(client.sendMessage(saying("hello", {}, telling(CLOSED))));
      await app.close();
    }
    await settled();
    expect(found).toEqual([]);
  });

  /** Replaces methods of a flow. */
  const instead = (flow: ServedFlow, methods: Partial<ServedFlow>): ServedFlow =>
    new Proxy(flow, {
      get: (target, name) => {
        const own: unknown = Reflect.get(methods, name) ?? Reflect.get(target, name);
        return typeof own === "function" ? (own as () => unknown).bind(target) : own;
      },
    });

  test("a flow that cannot be cancelled when its client has left", async () => {
    const found = uncaught();
    const { flow, begun, goOn } = waiting();
    const { url } = await serve(instead(flow, { cancel: faulty }), { onClientGone: "cancel" });
    const client = await speak(url, "JSONRPC");
    const events = client.sendMessageStream(saying("x"));
    await events.next();
    await begun;
    await events.return(undefined);
    await settled();
    goOn();
    await settled();
    expect(found).toEqual([]);
  });

  const methods = { stream: { stream: broken }, pauses: { pauses: { list: faulty } }, outcome: { outcome: faulty } };

  test.each(["stream", "pauses", "outcome"] as const)("a flow that fails in %s", async (method) => {
    const found = uncaught();
    const flow = create(payloadNode("ask", async (_: string, ctx) => await ctx.pause<string>({ reason: "?" })).to());
    const other = methods[method] as unknown as Partial<ServedFlow>;
    const { url } = await serve(instead(flow, other), { answersWithMessage: () => method === "outcome" });
    for (const binding of BINDINGS) {
      const client = await speak(url, binding);
      await client.sendMessage(saying("x")).catch(() => {});
      await collect(client.sendMessageStream(saying("y"))).catch(() => {});
    }
    await settled();
    expect(found).toEqual([]);
  });

  test("a flow that is followed after a restart, and fails", async () => {
    const found = uncaught();
    const taskStore = new MemoryTaskStore();
    const { flow, begun } = waiting();
    const first = await serve(flow, { taskStore, app: { drainMs: 0 } });
    const client = await speak(first.url, "JSONRPC");
    const { value } = await client.sendMessageStream(saying("x")).next();
    await begun;
    const id = value?.payload?.$case === "task" ? value.payload.value.id : "";
    const follow = async () => broken();
    const recovery = { follow } as unknown as ServedFlow["recovery"];
    const other = await serve(instead(shout(), { recovery }), { taskStore });
    const reader = await speak(other.url, "JSONRPC");
    await reader.getTask({ tenant: "", id, historyLength: undefined });
    await until(async () => other.adapter.isQuiet);
    expect(found).toEqual([]);
  });

  test.each(["authenticate", "mayUseTenant", "payloadOf", "answersWithMessage", "waitsForAuthorization"] as const)(
    "the option %s, as it throws",
    async (option) => {
      const found = uncaught();
      const flow = create(payloadNode("ask", async (_: string, ctx) => await ctx.pause<string>({ reason: "?" })).to());
      const throwing = (): never => {
        throw hostile as Error;
      };
      let isCalled = false;
      const { url } = await serve(flow, {
        [option]: (...args: unknown[]): never => {
          isCalled = args.length >= 0;
          return throwing();
        },
      });
      for (const binding of BINDINGS) {
        const client = await speak(url, binding);
        await client.sendMessage({ ...saying("x"), tenant: "acme" }).catch(() => {});
        await collect(client.sendMessageStream({ ...saying("y"), tenant: "acme" })).catch(() => {});
      }
      await settled();
      expect(isCalled).toBe(true);
      expect(found).toEqual([]);
    },
  );

  test("a flow that cannot be stopped, when a signal closes the app", async () => {
    const found = uncaught();
    const flow = shout();
    onTestFinished(async () => void (await flow.stop({ drainMs: 0 })));
    const skills = [{ id: "main", description: "Shouts" }];
    const card = { name: "tested", description: "An agent for tests", version: "1.0.0", skills };
    const app = createA2AApp(new A2AServerAdapter(instead(flow, { stop: faulty }), { card }), { grpc: {} });
    const url = await app.listen();
    // calls the listeners of the signal without sending it
    process.emit("SIGTERM");
    await expect(app.close()).rejects.toBe(hostile);
    await expect(fetch(url)).rejects.toThrow("fetch failed");
    await settled();
    expect(found).toEqual([]);
  });

  test("a server that cannot take a connection", async () => {
    const found = uncaught();
    const servers: NodeJS.EventEmitter[] = [];
    const listen = vi.spyOn(Server.prototype, "listen");
    const { createServer: create2 } = http2;
    vi.spyOn(http2, "createServer").mockImplementation((...args: unknown[]) => {
      const server = create2(...(args as []));
      servers.push(server);
      return server;
    });
    const { url } = await serve(shout());
    servers.push(...(listen.mock.contexts as Server[]));
    vi.restoreAllMocks();
    expect(servers).toHaveLength(2);
    // repeatedly, as when the process runs out of file descriptors
    for (let times = 0; times < 3; times += 1)
      for (const server of servers) server.emit("error", new Error("accept EMFILE"));
    for (const binding of BINDINGS) await taskOf((await speak(url, binding)).sendMessage(saying("still there")));
    expect(found).toEqual([]);
  });

  test("connections that break as they are answered", async () => {
    const found = uncaught();
    const { adapter } = await serve(chatty());
    const server = createServer((request, response) => {
      adapter.listener()(request, response);
      setImmediate(() => response.emit("error", new Error("write EPIPE")));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const headers = { "content-type": "application/json", "A2A-Version": "1.0" };
    const message = { messageId: "m", role: "ROLE_USER", parts: [{ text: "hello" }] };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "SendStreamingMessage", params: { message } });
    await fetch(`http://127.0.0.1:${port}/a2a/jsonrpc`, { method: "POST", headers, body }).catch(() => {});
    await settled();
    expect(found).toEqual([]);
  });
});
