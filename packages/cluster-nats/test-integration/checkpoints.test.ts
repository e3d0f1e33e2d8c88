import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from "node:net";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { natsBackend } from "@penguiflow/cluster-nats";
import { type CheckpointBatch, type CheckpointPartition, MemoryCheckpointStore, seededRandom } from "penguiflow";
import { expect, onTestFinished, test } from "vitest";
import { removeStreams, servers } from "./server.ts";

const LEASE = { partition: "orders", owner: "one", leaseMs: 60_000 };

/** Opens backends of one name, which are closed at the end of the test. */
function named() {
  const name = `test_${randomUUID()}`;
  onTestFinished(async () => await removeStreams(servers, name));
  return {
    name,
    open: async (at: string = servers) => {
      const backend = await natsBackend({ servers: at, name, patienceMs: 20_000 });
      onTestFinished(async () => await backend[Symbol.asyncDispose]());
      return backend;
    },
    stream: async (kind: string) => {
      const connection = await connect({ servers });
      try {
        const manager = await jetstreamManager(connection);
        return (await manager.streams.info(`${name}_${kind}`, { subjects_filter: ">" })).state;
      } finally {
        await connection.close();
      }
    },
  };
}

const entry = (run: number, state: string) =>
  ({ run, tenant: "ada", traceId: `t${run}`, status: "open", version: 1, state: JSON.stringify(state) }) as const;

const batch = (changes: Partial<CheckpointBatch>): CheckpointBatch => ({
  put: [],
  remove: [],
  counts: new Map(),
  ...changes,
});

async function contentsOf(partition: CheckpointPartition) {
  const entries = [];
  for await (const page of partition.read()) entries.push(...page);
  const logs = await Promise.all(entries.map(async ({ run }) => await partition.readLog(run)));
  const counts = await partition.counts();
  const consumed = await partition.consumed();
  return { sequence: partition.sequence, entries, logs, counts, consumed, expiring: await partition.expiring(1_000) };
}

test("a thousand random batches with reopenings leave what a store in memory has, and a short log", async () => {
  const { open, stream } = named();
  const backend = await open();
  const random = seededRandom(7);
  const below = (most: number): number => Math.floor(random() * most);
  const model = await new MemoryCheckpointStore().open(LEASE);
  let partition = await backend.checkpoints.open(LEASE);
  for (let number = 0; number < 1_000; number += 1) {
    const runs = Array.from({ length: below(20) }, () => below(200));
    const changes = batch({
      put: runs.map((run) => entry(run, `${number} ${"x".repeat(below(2_000))}`)),
      logs: runs.slice(0, 3).map((run) => ({ run, at: below(5), items: `[${number}]` })),
      remove: Array.from({ length: below(10) }, () => below(200)),
      keep: runs.slice(0, 2).map((run) => ({ run, tenant: "a", traceId: "t", version: 1, state: "1", expiresAt: run })),
      forget: [below(200)],
      counts: new Map([[`n${below(5)}`, below(9)]]),
      consumed: new Map([[below(3), number]]),
    });
    await model.append(changes, number);
    await partition.append(changes, number);
    if (number % 97 !== 0) continue;
    await partition.close();
    partition = await backend.checkpoints.open(LEASE);
    expect(await contentsOf(partition)).toEqual(await contentsOf(model));
  }
  expect(partition.fencingToken).toBe(12);
  await partition.close();
  const { bytes } = await stream("checkpoints");
  expect(bytes).toBeLessThan(5_000_000);
}, 60_000);

test("a batch longer than a message is stored whole, and its parts are removed once nothing depends on them", async () => {
  const { open, stream } = named();
  const backend = await open();
  const partition = await backend.checkpoints.open(LEASE);
  await partition.append(batch({ put: [entry(1, "ü".repeat(3_000_000)), entry(2, "short")] }), 0);
  expect((await stream("checkpoints")).messages).toBeGreaterThan(6);
  await partition.close();
  const again = await backend.checkpoints.open(LEASE);
  expect((await contentsOf(again)).entries.map(({ state }) => state.length)).toEqual([3_000_002, 7]);
  await again.append(batch({ remove: [1] }), 1);
  for (let number = 2; number < 80; number += 1) await again.append(batch({ put: [entry(2, "short")] }), number);
  await again.close();
  const { subjects = {} } = await stream("checkpoints");
  expect(Object.keys(subjects)).toHaveLength(1);
});

test("the parts of a batch that is refused are removed", async () => {
  const { open, stream } = named();
  const backend = await open();
  const first = await backend.checkpoints.open({ ...LEASE, leaseMs: 1 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const second = await backend.checkpoints.open(LEASE);
  await expect(first.append(batch({ put: [entry(1, "x".repeat(3_000_000))] }), 0)).rejects.toThrow('"one" has it now');
  const { subjects = {} } = await stream("checkpoints");
  expect(Object.keys(subjects)).toHaveLength(1);
  await second.append(batch({}), 0);
});

test("parts that a killed writer has left are removed when the partition is read", async () => {
  const { name, open, stream } = named();
  const { checkpoints } = await open();
  const partition = await checkpoints.open(LEASE);
  await partition.append(batch({ put: [entry(1, "x".repeat(3_000_000))] }), 0);
  await partition.close();
  const subjects = async () => Object.keys((await stream("checkpoints")).subjects ?? {});
  const before = (await subjects()).toSorted();
  const part = before.find((subject) => subject.startsWith(`${name}.part.`))!;
  const connection = await connect({ servers });
  await connection.request(part.replace(/[^.]+\.0$/, "left.0"), "x");
  await connection.close();
  expect(await subjects()).toHaveLength(before.length + 1);
  await contentsOf(await checkpoints.open(LEASE));
  expect((await subjects()).toSorted()).toEqual(before);
});

test("a batch whose answer is lost is stored once", async () => {
  const { open } = named();
  await using proxy = await Proxy.create();
  const backend = await open(`127.0.0.1:${proxy.port}`);
  const partition = await backend.checkpoints.open(LEASE);
  for (let number = 0; number < 5; number += 1) {
    proxy.loseNextAnswer();
    const stored = await partition.append(batch({ put: [entry(number, "x")], counts: new Map([["a", 1]]) }), number);
    expect(stored).toBe(number + 1);
  }
  expect(proxy.lost).toBe(5);
  await partition.close();
  const again = await (await open()).checkpoints.open(LEASE);
  expect(await contentsOf(again)).toMatchObject({ sequence: 5, counts: new Map([["a", 5]]) });
}, 60_000);

test("an intake whose stream is made anew goes on behind the positions of the old one", async () => {
  const { name, open } = named();
  const read = async () => {
    const { intake } = await open();
    await intake.offer([{ partition: "p", lane: 1, key: randomUUID(), body: Uint8Array.of(1) }]);
    const limit = { count: 10, bytes: 1_000, waitMs: 0, signal: new AbortController().signal };
    return (await intake.read("p", new Map(), limit)).map(({ sequence }) => sequence);
  };
  const [before = 0] = await read();
  await removeStreams(servers, name);
  const [after = 0] = await read();
  expect(after).toBeGreaterThan(before);
});

test("a result longer than a message is read as it was stored", async () => {
  const { open } = named();
  const { results } = await open();
  const key = { partition: "p", tenant: "ada", id: "long" };
  const body = new Uint8Array(3_000_000).fill(7);
  expect(await results.put([{ key, isFinal: true, body, keepMs: 60_000 }])).toEqual([expect.any(Number)]);
  const [found] = await results.get([key], "latest");
  expect(Buffer.compare(found!.body, body)).toBe(0);
});

test("an intake without room refuses items, and takes them once others are trimmed", async () => {
  const name = `test_${randomUUID()}`;
  onTestFinished(async () => await removeStreams(servers, name));
  await using backend = await natsBackend({ servers, name, maxItems: 4 });
  const { intake } = backend;
  const offer = async (key: string) =>
    (await intake.offer([{ partition: "p", lane: 1, key, body: Uint8Array.of(1) }]))[0];
  // the lane's marker takes one place
  expect([await offer("a"), await offer("b"), await offer("c"), await offer("d")]).toEqual([
    "stored",
    "stored",
    "stored",
    "full",
  ]);
  const limit = { count: 1, bytes: 1_000, waitMs: 0, signal: new AbortController().signal };
  const [first] = await intake.read("p", new Map(), limit);
  await intake.trim("p", new Map([[1, first!.sequence]]));
  expect(await offer("d")).toBe("stored");
});

/** Forwards bytes to the server, and cuts a connection before an answer of it. */
class Proxy implements AsyncDisposable {
  port = 0;
  lost = 0;
  readonly #sockets = new Set<Socket>();
  #isLosing = false;
  readonly #server = createServer((client) => {
    const [host, port] = servers.split(":");
    const upstream = connectTcp(Number(port), host);
    let isCut = false;
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on("error", end);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    client.on("data", (data) => {
      if (this.#isLosing && data.includes(".checkpoint.")) {
        this.#isLosing = false;
        isCut = true;
      }
      upstream.write(data);
    });
    upstream.on("data", (data) => {
      if (!isCut) client.write(data);
      else {
        this.lost += 1;
        end();
      }
    });
  });

  static async create(): Promise<Proxy> {
    const proxy = new Proxy();
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    proxy.port = (proxy.#server.address() as AddressInfo).port;
    return proxy;
  }

  loseNextAnswer(): void {
    this.#isLosing = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
