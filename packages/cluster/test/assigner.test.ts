import { create, type Logger, payloadNode } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { afterEach, expect, test } from "vitest";
import { cluster, memoryBackend, type Worker } from "../src/index.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const open: AsyncDisposable[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map(async (one) => await one[Symbol.asyncDispose]()));
});

const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
};

/** A backend that counts who follows the cards of all members. */
function counted(backend: ClusterBackend) {
  let followers = 0;
  const registry: ClusterBackend["registry"] = {
    get: (key) => backend.registry.get(key),
    put: (key, value, options) => backend.registry.put(key, value, options),
    delete: (key) => backend.registry.delete(key),
    async watch(prefix, onChange, signal) {
      if (prefix === "app/members/" && !signal.aborted) {
        followers += 1;
        signal.addEventListener("abort", () => (followers -= 1), { once: true });
      }
      await backend.registry.watch(prefix, onChange, signal);
    },
  };
  return {
    backend: { ...backend, registry },
    get followers() {
      return followers;
    },
  };
}

test("of more than fifty members one assigns for all, another does when it goes, and few assign for themselves again", async () => {
  const memory = memoryBackend();
  open.push(memory);
  const count = counted(memory);
  const app = cluster({ name: "app", backend: count.backend, partitions: 108, leaseMs: 3_000, logger: SILENT });
  const double = create(payloadNode("double", (input: number) => 2 * input).to(), { name: "numbers", logger: SILENT });
  const workers = Array.from({ length: 54 }, (_, index) => app.worker({ name: `w${index}` }).run(double));
  open.push(...workers);
  const isShared = (by: readonly Worker[]): boolean => {
    const held = by.flatMap((worker) => worker.held);
    const most = Math.ceil(108 / by.length);
    return held.length === 108 && new Set(held).size === 108 && by.every((worker) => worker.held.length <= most);
  };
  await until(() => isShared(workers) && count.followers === 1);
  const holder = (await memory.registry.get("app/assigner"))!.value;
  const client = app.client();
  open.push(client);
  expect(await Promise.all([1, 2, 3].map(async (input) => await client.call(double, input)))).toEqual([2, 4, 6]);

  const left = workers.filter(({ name }) => name !== holder);
  await workers.find(({ name }) => name === holder)!.drain();
  await until(async () => isShared(left) && ((await memory.registry.get("app/assigner"))?.value ?? holder) !== holder);
  expect(await client.call(double, 21)).toBe(42);

  const few = left.slice(0, 30);
  await Promise.all(left.slice(30).map(async (worker) => await worker.drain()));
  await until(async () => isShared(few) && (await memory.registry.get("app/assignments/numbers@1")) === undefined);
  await until(() => count.followers === 30);
  expect(await client.call(double, 4)).toBe(8);
}, 60_000);
