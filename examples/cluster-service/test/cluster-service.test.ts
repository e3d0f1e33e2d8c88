import { memoryBackend } from "@penguiflow/cluster";
import { configureLogging } from "penguiflow";
import { afterEach, beforeEach, expect, test } from "vitest";
import { orders } from "../flow.ts";
import { main } from "../main.ts";
import { startMonitor } from "../monitor.ts";
import { openBackend, shop } from "../shop.ts";
import { startWorker } from "../worker.ts";
import { quietly } from "../../test/quietly.ts";

beforeEach(() => configureLogging({ level: "error" }));
afterEach(() => configureLogging({ level: "info" }));

const untilReady = async (url: string): Promise<void> => {
  while ((await fetch(`${url}/ready`)).status !== 200) await new Promise((resolve) => setTimeout(resolve, 10));
};

test("the demonstration ends with a status without a problem", async () => {
  expect(await quietly(main)).toMatch(/^cluster shop: no problem$/m);
});

test("a worker answers its probes, shows its metrics, and ends when it is told to drain", async () => {
  await using backend = memoryBackend();
  const worker = await startWorker(backend, "ada", 0);
  await untilReady(worker.url);
  const live = await fetch(`${worker.url}/live`);
  expect(live.status).toBe(200);
  expect(await live.json()).toEqual({ isLive: true, isReady: true, reasons: [] });
  const unknown = await fetch(`${worker.url}/lve`);
  expect(unknown.status).toBe(404);
  expect(await unknown.text()).toContain("/live, /ready");
  const metrics = await (await fetch(`${worker.url}/metrics`)).text();
  expect(metrics).toMatch(/^penguiflow_cluster_partitions_held\{.*penguiflow_member="ada".*\} 16$/m);
  worker.drain();
  await worker.ended;
  await expect(fetch(`${worker.url}/live`)).rejects.toThrow("fetch failed");
});

test("a monitor tells an autoscaler how many workers are wanted, also while there is none", async () => {
  await using backend = memoryBackend();
  await using monitor = await startMonitor(backend, 0);
  await using client = shop(backend).client();
  const load = async (): Promise<Record<string, number>> =>
    (await (await fetch(`${monitor.url}/load`)).json()) as Record<string, number>;
  expect(await load()).toMatchObject({ wanted: 0, members: 0, backlog: 0 });
  const called = Promise.all(Array.from({ length: 500 }, (_, index) => client.call(orders, `tent ${index}`)));
  while ((await load())["backlog"] !== 500);
  expect((await load())["wanted"]).toBeGreaterThan(0);
  const worker = await startWorker(backend, "ada", 0);
  await called;
  worker.drain();
  await worker.ended;
});

test("what a monitor cannot read is told with 503 and the reason", async () => {
  await using memory = memoryBackend();
  const away = {
    ...memory,
    intake: Object.assign(Object.create(memory.intake) as typeof memory.intake, {
      backlog: () => Promise.reject(new Error("the database is away")),
    }),
  };
  await using monitor = await startMonitor(away, 0);
  const answer = await fetch(`${monitor.url}/load`);
  expect(answer.status).toBe(503);
  expect(await answer.json()).toEqual({ error: "the database is away" });
});

test("two servers in the environment are refused", async () => {
  await expect(openBackend({ POSTGRES: "postgres://a", NATS: "b" })).rejects.toThrow("Set POSTGRES or NATS, not both");
});
