import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { TaskPushNotificationConfig } from "@a2a-js/sdk";
import type { PushOptions } from "@penguiflow/a2a/server";
import { create, payloadNode } from "penguiflow";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { serve } from "./serve.ts";
import { saying, speak, taskOf } from "./speak.ts";
import { until } from "./waiting.ts";

// the SDK logs every refusal to the console
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

interface Letter {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Starts a target of notifications. `answer` gives the status for each. */
async function listen(answer: (count: number) => number | RequestListener) {
  const letters: Letter[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      letters.push({ headers: request.headers, body });
      const how = answer(letters.length);
      if (typeof how === "number") response.writeHead(how, how === 302 ? { location: "/elsewhere" } : {}).end();
      else how(request, response);
    });
  }).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => void server.once("listening", resolve));
  return { letters, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}

const shout = () => create(payloadNode("shout", (text: string) => text.toUpperCase()).to());

const warn = vi.fn<(event: string, facts?: Readonly<Record<string, unknown>>) => void>();
const logger = { debug: () => {}, info: () => {}, warn, error: () => {} };
const push = { allowPrivate: true, backoffMs: 1, logger } satisfies PushOptions;

function telling(url: string, more: Partial<TaskPushNotificationConfig> = {}) {
  const taskPushNotificationConfig = {
    tenant: "",
    id: "c",
    taskId: "",
    url,
    token: "",
    authentication: undefined,
    ...more,
  };
  return { configuration: { acceptedOutputModes: [], taskPushNotificationConfig, returnImmediately: false } };
}

test("a task is told from its beginning to its end, in order, signed, with the caller's credentials", async () => {
  const { letters, url: hook } = await listen(() => 204);
  const { url } = await serve(shout(), { pushNotifications: { ...push, secret: "s3cret" } });
  const client = await speak(url, "JSONRPC");
  const authentication = { scheme: "Bearer", credentials: "theirs" };
  const { id } = await taskOf(client.sendMessage(saying("hello", {}, telling(hook, { authentication }))));
  await until(async () => letters.length === 3);
  // no registration is left
  const left = await client.listTaskPushNotificationConfig({ tenant: "", taskId: id, pageSize: 0, pageToken: "" });
  expect(left.configs).toEqual([]);
  expect(letters.map(({ body }) => Object.keys(JSON.parse(body) as object))).toEqual([
    ["task"],
    ["artifactUpdate"],
    ["statusUpdate"],
  ]);
  for (const { headers, body } of letters) {
    expect(headers.authorization).toBe("Bearer theirs");
    const [, at, signature] = /^t=(\d+),v1=(.*)$/.exec(String(headers["x-notification-signature"])) ?? [];
    expect(signature).toBe(createHmac("sha256", "s3cret").update(`${at}.${body}`).digest("hex"));
  }
});

test("a target that fails is tried again, off the request's path; one that refuses or redirects is not", async () => {
  const failing = await listen((count) => (count < 3 ? 503 : 200));
  const refusing = await listen(() => 410);
  const elsewhere = await listen(() => 302);
  const silent = await listen(() => () => {});
  const { url } = await serve(shout(), { pushNotifications: { ...push, timeoutMs: 200 } });
  const client = await speak(url, "JSONRPC");
  const startedAt = performance.now();
  for (const { url: hook } of [failing, refusing, elsewhere, silent])
    await taskOf(client.sendMessage(saying("hello", {}, telling(hook))));
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  await until(async () => failing.letters.length === 5 && silent.letters.length >= 3);
  expect(refusing.letters).toHaveLength(3);
  expect(elsewhere.letters).toHaveLength(3);
  expect(warn).toHaveBeenCalledWith("push_notification_failed", expect.objectContaining({ url: refusing.url }));
});

describe("targets that are not public", () => {
  test.each([
    "http://127.0.0.1/x",
    "http://[::1]:80/",
    "http://10.1.2.3/",
    "ftp://example.com/",
    "http://u:p@example.com/",
    "x",
  ])("%s is refused when it is named", async (target) => {
    const { url } = await serve(shout(), { pushNotifications: {} });
    const client = await speak(url, "JSONRPC");
    await expect(client.sendMessage(saying("x", {}, telling(target)))).rejects.toThrow(/private|URL/);
    const task = await taskOf(client.sendMessage(saying("x")));
    const config = telling(target).configuration.taskPushNotificationConfig;
    await expect(client.createTaskPushNotificationConfig({ ...config, taskId: task.id })).rejects.toThrow(
      /private|URL/,
    );
  });

  test("a name that leads to a private address is not called", async () => {
    const { letters, url: hook } = await listen(() => 200);
    const { url } = await serve(shout(), { pushNotifications: { ...push, allowPrivate: false } });
    const client = await speak(url, "JSONRPC");
    warn.mockClear();
    await taskOf(client.sendMessage(saying("x", {}, telling(hook.replace("127.0.0.1", "localhost")))));
    await until(async () => warn.mock.calls.length === 3);
    expect(letters).toEqual([]);
    const [, facts] = warn.mock.calls[0] ?? [];
    expect(facts?.["error"]).toContain("is private");
  });
});
