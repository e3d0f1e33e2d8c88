import { create, type Logger, payloadNode } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { afterEach, expect, test } from "vitest";
import { cluster, type FlowRef, memoryBackend, type Worker } from "../src/index.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** A backend that a worker can lose for good, as if its process had ended. */
function losable(backend: ClusterBackend) {
  let isLost = false;
  const guarded = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...given: readonly unknown[]): unknown => {
          // a read may return an iterator
          if (isLost && name === "read") throw new Error("lost");
          if (isLost) return Promise.reject(new Error("lost"));
          const answer = (value as (...args: readonly unknown[]) => unknown).apply(target, [...given]);
          if (name !== "open" && name !== "share") return answer;
          return (answer as Promise<object>).then(guarded);
        };
      },
    });
  return {
    backend: {
      ...backend,
      checkpoints: guarded(backend.checkpoints),
      intake: guarded(backend.intake),
      results: guarded(backend.results),
      registry: guarded(backend.registry),
    },
    lose: (): void => void (isLost = true),
  };
}

test("a message that ends its workers is set aside, is listed as failed, and runs when it is retried", async () => {
  const memory = memoryBackend();
  open.push(memory);
  const options = { name: "app", partitions: 1, leaseMs: 100, logger: SILENT };
  let isMended = false;
  const lost: string[] = [];
  const begin = (name: string): Worker => {
    const { backend, lose } = losable(memory);
    const work = payloadNode("work", async (input: string) => {
      if (input === "poison" && !isMended) {
        lost.push(name);
        lose();
        await new Promise<never>(() => {});
      }
      return input.toUpperCase();
    });
    const flow = create(work.to(), { name: "words", logger: SILENT });
    const worker = cluster({ ...options, backend })
      .worker({ name, drainMs: 0, maxLostOwners: 3 })
      .run(flow);
    open.push(worker);
    return worker;
  };
  const client = cluster({ ...options, backend: memory }).client();
  open.push(client);
  const words: FlowRef<string, string> = { name: "words" };
  const called = client.outcome(words, "poison", { id: "p" });
  for (let life = 1; life <= 3; life += 1) {
    begin(`worker ${life}`);
    await until(() => lost.length === life);
  }
  const last = begin("worker 4");
  expect(await called).toMatchObject({ status: "failed", error: { code: "POISON_MESSAGE" } });
  expect(lost).toEqual(["worker 1", "worker 2", "worker 3"]);
  // the partition goes on
  expect(await client.call(words, "fine")).toBe("FINE");
  expect((await client.failed(words)).traces).toMatchObject([{ id: "p", code: "POISON_MESSAGE" }]);
  isMended = true;
  await client.retryFailed(words, "p");
  expect(await client.outcome(words, "poison", { id: "p" })).toMatchObject({
    status: "completed",
    results: ["POISON"],
  });
  expect(last.held).toHaveLength(1);
});
