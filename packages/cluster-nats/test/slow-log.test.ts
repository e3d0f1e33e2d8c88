import { type CheckpointPartition, FlowErrorCode } from "penguiflow";
import { expect, test } from "vitest";
import type { Broker, Publication, Range, Stored } from "../src/broker.ts";
import { NatsCheckpointStore } from "../src/checkpoints/nats-checkpoint-store.ts";

const LEASE_MS = 1_000;
const RECORDS = 20;
const STREAMS = { checkpoints: "checkpoints", intake: "intake", results: "results", registry: "registry" };

/** A stream of a server whose clock is moved by hand, and which answers a read one message at a time. */
class SlowServer {
  now = 0;
  /** Called before each answer to a read. */
  beforeRead: () => Promise<void> = async () => {};
  isFailing = false;
  readonly #messages: (Stored & { readonly subject: string })[] = [];

  /** The part of a broker that a checkpoint store calls. */
  broker(): Broker {
    const of = (subject: string) => this.#messages.filter((message) => message.subject === subject);
    return {
      bodyBytes: 1_000_000,
      now: async () => this.now,
      last: async (_: string, subject: string) => of(subject).at(-1),
      next: async (_: string, subject: string, from: number) => of(subject).find(({ sequence }) => sequence >= from),
      subjects: async () => [],
      purge: async () => {},
      publish: async (_: string, { subject, body, expected }: Publication) => {
        if (expected !== undefined && (of(subject).at(-1)?.sequence ?? 0) !== expected) return undefined;
        const sequence = this.#messages.length + 1;
        this.#messages.push({ subject, body, sequence, at: this.now } as Stored);
        return sequence;
      },
      range: async (_: string, { subject, from }: Range) => {
        await this.beforeRead();
        if (this.isFailing) throw new Error("Cannot reach NATS JetStream within 30000 ms");
        const next = of(subject).find(({ sequence }) => sequence >= from);
        return { found: next === undefined ? [] : [next], left: 0 };
      },
    } as unknown as Broker;
  }
}

/** A partition with many records, released, and the stores of two processes that want it. */
async function filled() {
  const server = new SlowServer();
  const storeOf = () => new NatsCheckpointStore(server.broker(), STREAMS, "test");
  const open = async (owner: string, store = storeOf()) =>
    await store.open({ partition: "orders", owner, leaseMs: LEASE_MS });
  const first = await open("first");
  for (let run = 0; run < RECORDS; run += 1)
    await first.append(
      {
        put: [{ run, tenant: "ada", traceId: `t${run}`, status: "open", version: 1, state: "{}" }],
        remove: [],
        counts: new Map([["work", 1]]),
      },
      run,
    );
  await first.close();
  return { server, storeOf, open };
}

async function read(partition: CheckpointPartition) {
  const found: number[] = [];
  let empty = 0;
  for await (const page of partition.read()) {
    if (page.length === 0) empty += 1;
    found.push(...page.map(({ run }) => run));
  }
  return { found, empty };
}

const ALL = Array.from({ length: RECORDS }, (_, run) => run);

test("a partition whose log takes many leases to read is renewed meanwhile, and is whole then", async () => {
  const { server, open } = await filled();
  const second = await open("second");
  server.beforeRead = async () => {
    server.now += LEASE_MS / 2;
    await second.renew();
    await expect(open("third")).rejects.toMatchObject({ code: FlowErrorCode.PARTITION_LEASED });
  };
  const { found, empty } = await read(second);
  expect(server.now).toBeGreaterThan(10 * LEASE_MS);
  expect(found).toEqual(ALL);
  expect(empty).toBeGreaterThan(10);
  expect(second.size?.liveBytes).toBeGreaterThan(0);
  await second.append({ put: [], remove: [3], counts: new Map([["work", 1]]) }, RECORDS);
  await second.close();
  server.beforeRead = async () => {};
  const third = await open("third");
  expect((await read(third)).found).toEqual(ALL.filter((run) => run !== 3));
  expect(await third.counts()).toEqual(new Map([["work", RECORDS + 1]]));
});

test("several reads at once load a partition together", async () => {
  const { server, open } = await filled();
  const second = await open("second");
  let reads = 0;
  server.beforeRead = async () => void (reads += 1);
  const [{ found }, again, counts] = await Promise.all([read(second), read(second), second.counts()]);
  expect([found, again.found]).toEqual([ALL, ALL]);
  expect(counts.get("work")).toBe(RECORDS);
  // the records, those of the first lease included
  expect(reads).toBe(RECORDS + 3);
});

test("a partition that another takes while it is read is fenced, and is read no further", async () => {
  const { server, open } = await filled();
  const second = await open("second");
  let reads = 0;
  server.beforeRead = async () => {
    reads += 1;
    if (reads !== 5) return;
    server.now += 2 * LEASE_MS;
    await open("third");
    await expect(second.renew()).rejects.toMatchObject({ code: FlowErrorCode.PARTITION_FENCED });
  };
  await expect(read(second)).rejects.toThrow('"third" has it now');
  expect(reads).toBe(5);
  await expect(second.append({ put: [], remove: [], counts: new Map() }, RECORDS)).rejects.toThrow("third");
});

test("a partition that is closed while it is read is free, and is read no further", async () => {
  const { server, open } = await filled();
  const second = await open("second");
  let reads = 0;
  server.beforeRead = async () => {
    reads += 1;
    if (reads === 5) await second.close();
  };
  await expect(read(second)).rejects.toThrow("it was closed");
  expect(reads).toBe(5);
  expect((await open("third")).fencingToken).toBe(3);
});

test("a partition whose log cannot be read refuses every further call but its release", async () => {
  const { server, open } = await filled();
  const second = await open("second");
  server.isFailing = true;
  await expect(second.consumed()).rejects.toThrow("Cannot reach NATS");
  server.isFailing = false;
  for (const call of [second.consumed(), read(second), second.renew()])
    await expect(call).rejects.toThrow("its log could not be read; open it again");
  await second.close();
  expect((await read(await open("third"))).found).toEqual(ALL);
});
