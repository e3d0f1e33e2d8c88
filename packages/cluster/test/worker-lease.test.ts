import { type CheckpointPartition, create, type Logger, payloadNode } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { afterEach, expect, test } from "vitest";
import { partitionName } from "../src/form/place.ts";
import { cluster, memoryBackend, type Worker } from "../src/index.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const LEASE_MS = 150;

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** A backend that counts the calls of its checkpoints and can be cut off from its worker. */
function watched(backend: ClusterBackend) {
  const calls = { leases: 0, renewals: 0, ofPartitions: 0 };
  let isCut = false;
  const reach = (): void => {
    if (isCut) throw new Error("cut off");
  };
  const counted = (partition: CheckpointPartition): CheckpointPartition =>
    new Proxy(partition, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...given: readonly unknown[]): unknown => {
          if (isCut) return Promise.reject(new Error("cut off"));
          calls.ofPartitions += 1;
          return (value as (...args: readonly unknown[]) => unknown).apply(target, [...given]);
        };
      },
    });
  const checkpoints: ClusterBackend["checkpoints"] = {
    async open(lease) {
      reach();
      return counted(await backend.checkpoints.open(lease));
    },
    async share(request) {
      reach();
      calls.leases += 1;
      const lease = await backend.checkpoints.share(request);
      return {
        id: lease.id,
        async renew() {
          reach();
          calls.renewals += 1;
          await lease.renew();
        },
        close: () => lease.close(),
      };
    },
  };
  return { backend: { ...backend, checkpoints }, calls, cut: (is: boolean): void => void (isCut = is) };
}

const numbers = create(payloadNode("double", (input: number) => 2 * input).to(), { name: "numbers", logger: SILENT });

function begin(backend: ClusterBackend, name: string, partitions: number): Worker {
  const app = cluster({ name: "app", backend, partitions, leaseMs: LEASE_MS, logger: SILENT });
  const worker = app.worker({ name, drainMs: 0 }).run(numbers);
  open.push(worker);
  return worker;
}

test.for([2, 64])("a worker renews one lease, whatever the number of its partitions: %i", async (partitions) => {
  const memory = memoryBackend();
  open.push(memory);
  const { backend, calls } = watched(memory);
  const worker = begin(backend, "one", partitions);
  await until(() => worker.held.length === partitions);
  const before = { ...calls };
  await until(() => calls.renewals >= before.renewals + 6);
  expect(calls.ofPartitions - before.ofPartitions).toBe(0);
  expect(calls.leases).toBe(1);
  expect(worker.held).toHaveLength(partitions);
});

test("a worker that was cut off for longer than its lease loses its partitions, and gets them back under another", async () => {
  const memory = memoryBackend();
  open.push(memory);
  const { backend, calls, cut } = watched(memory);
  const one = begin(backend, "one", 8);
  await until(() => one.held.length === 8);
  cut(true);
  const two = begin(memory, "two", 8);
  // its partitions are assigned to the other in part, and all of them have lost their lease
  await until(() => two.held.length > 0);
  cut(false);
  await until(() => one.held.length + two.held.length === 8 && calls.leases === 2);
  const client = cluster({ name: "app", backend: memory, partitions: 8, leaseMs: LEASE_MS, logger: SILENT }).client();
  open.push(client);
  expect(await Promise.all([1, 2, 3, 4, 5, 6].map((input) => client.call(numbers, input)))).toEqual([
    2, 4, 6, 8, 10, 12,
  ]);
});

test("a worker that has drained leaves nothing for which others must wait", async () => {
  const memory = memoryBackend();
  open.push(memory);
  const one = begin(memory, "one", 4);
  await until(() => one.held.length === 4);
  await one.drain();
  for (let index = 0; index < 4; index += 1) {
    const partition = `app/numbers@1/${index}`;
    const opened = await memory.checkpoints.open({ partition, owner: "two", leaseMs: LEASE_MS });
    expect(opened.fencingToken).toBe(2);
  }
});

test("a worker that drains does not wait for a partition that is still being read", async () => {
  const memory = memoryBackend();
  const { promise: reading, resolve: isRead } = Promise.withResolvers<void>();
  const checkpoints: ClusterBackend["checkpoints"] = {
    share: (request) => memory.checkpoints.share(request),
    async open(lease) {
      const partition = await memory.checkpoints.open(lease);
      return new Proxy(partition, {
        get(target, name) {
          if (name === "read")
            return async function* () {
              isRead();
              yield await new Promise<never>(() => {});
            };
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      });
    },
  };
  const app = cluster({
    name: "shop",
    backend: { ...memory, checkpoints },
    partitions: 1,
    leaseMs: LEASE_MS,
    logger: SILENT,
  });
  const worker = app.worker({ name: "one" });
  worker.run(create(payloadNode("work", (n: number) => n).to(), { name: "numbers", logger: SILENT }));
  await reading;
  // an unanswered read is waited for a minute while the lease is renewed: longer than this test may take
  await worker.drain();
  const partition = partitionName({ app: "shop", flow: "numbers", version: "1", partitions: 1, lanes: 16 }, 0);
  const next = await memory.checkpoints.open({ partition, owner: "next", leaseMs: LEASE_MS });
  expect(next.fencingToken).toBe(2);
});
