import { create, type Logger, payloadNode } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { afterEach, expect, test } from "vitest";
import { cluster, memoryBackend, type Worker } from "../src/index.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** A backend that counts renewals and can be cut off from its worker. */
function watched(backend: ClusterBackend) {
  let renewals = 0;
  let beats = 0;
  let isCut = false;
  const overDead: (string | undefined)[] = [];
  const reach = (): void => {
    if (isCut) throw new Error("cut off");
  };
  const checkpoints: ClusterBackend["checkpoints"] = {
    async open(lease) {
      reach();
      const partition = await backend.checkpoints.open(lease);
      overDead.push(lease.deadOwner);
      return new Proxy(partition, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== "function") return value;
          return (...given: readonly unknown[]): unknown => {
            if (isCut) return Promise.reject(new Error("cut off"));
            if (name === "renew") renewals += 1;
            return (value as (...args: unknown[]) => unknown).apply(target, [...given]);
          };
        },
      });
    },
  };
  const registry: ClusterBackend["registry"] = {
    get: (key) => backend.registry.get(key),
    async put(key, value, options) {
      reach();
      if (key.startsWith("app/members/")) beats += 1;
      return await backend.registry.put(key, value, options);
    },
    delete: (key) => backend.registry.delete(key),
    watch: (prefix, onChange, signal) => backend.registry.watch(prefix, onChange, signal),
  };
  return {
    backend: { ...backend, checkpoints, registry },
    cut: (): void => void (isCut = true),
    /** Owners that were named as dead by those who have opened a partition. */
    overDead,
    figures: () => ({ renewals, beats }),
  };
}

const numbers = create(payloadNode("double", (input: number) => 2 * input).to(), { name: "numbers", logger: SILENT });

function begin(backend: ClusterBackend, name: string): Worker {
  const app = cluster({ name: "app", backend, partitions: 16, leaseMs: 300, logger: SILENT });
  const worker = app.worker({ name, drainMs: 0 }).run(numbers);
  open.push(worker);
  return worker;
}

test("idle partitions are kept by the one lease of their worker, which is renewed in place of each of theirs", async () => {
  const memory = memoryBackend();
  open.push(memory);
  const { backend, figures } = watched(memory);
  const worker = begin(backend, "one");
  await until(() => worker.held.length === 16);
  const before = figures();
  await until(() => figures().beats >= before.beats + 8);
  expect(figures().renewals - before.renewals).toBeLessThan(16);
  expect(worker.held).toHaveLength(16);
});

test("partitions of a worker whose lease has ended are taken over although theirs last, and it is fenced off", async () => {
  const memory = memoryBackend();
  open.push(memory);
  const cut = watched(memory);
  const one = begin(cut.backend, "one");
  await until(() => one.held.length === 16);
  cut.cut();
  const after = watched(memory);
  const two = begin(after.backend, "two");
  await until(() => two.held.length === 16);
  // none of them had expired in the store
  expect(after.overDead.every((owner) => owner?.startsWith("one#"))).toBe(true);
  const client = cluster({ name: "app", backend: memory, partitions: 16, leaseMs: 300, logger: SILENT }).client();
  open.push(client);
  expect(await client.call(numbers, 21)).toBe(42);
});

test("a worker that begins under the name of one that has died takes its partitions at once", async () => {
  const memory = memoryBackend();
  open.push(memory);
  const cut = watched(memory);
  const former = begin(cut.backend, "one");
  await until(() => former.held.length === 16);
  cut.cut();
  const again = begin(memory, "one");
  await until(() => again.held.length === 16);
  expect(again.held).toHaveLength(16);
});
