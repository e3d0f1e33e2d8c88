import {
  type BusEnvelope,
  type CheckpointPartition,
  type Log,
  LoopbackTransport,
  MemoryCheckpointStore,
  MemoryLog,
  MemoryMessageBus,
  MemoryStateStore,
  type StateStore,
} from "penguiflow";
import {
  checkpointStoreContract,
  logContract,
  messageBusContract,
  remoteTransportContract,
  type RemoteTransportContract,
  stateStoreContract,
} from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { wrapPartition } from "../../src/testing/kit/wrap-partition.ts";

const makeBus = () => {
  const bus = new MemoryMessageBus();
  return {
    bus,
    subscribe: (tenant: string, receive: (envelope: BusEnvelope) => void) => bus.subscribe({ tenant }, receive),
  };
};
const makeTransport: RemoteTransportContract["make"] = (skills) => ({
  transport: new LoopbackTransport(skills),
  agentUrl: "loopback",
});

const ofStores = stateStoreContract({ make: (retention) => new MemoryStateStore(retention) });
const ofBuses = messageBusContract({ make: makeBus });
const ofTransports = remoteTransportContract({ make: makeTransport });
const ofLogs = logContract({ make: () => new MemoryLog() });
const ofCheckpointStores = checkpointStoreContract({ make: () => new MemoryCheckpointStore() });

describe("the state store in memory", () => {
  test.for(ofStores)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

describe("the message bus in memory", () => {
  test.for(ofBuses)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

describe("the loopback transport", () => {
  test.for(ofTransports)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

describe("the checkpoint store in memory", () => {
  test.for(ofCheckpointStores)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

describe("the log in memory", () => {
  test.for(ofLogs)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

/** Returns the cases of a contract that an adapter breaks, by name. */
async function brokenBy(cases: readonly { name: string; run: () => Promise<void> }[]): Promise<string[]> {
  const broken: string[] = [];
  for (const { name, run } of cases) await run().catch(() => void broken.push(name));
  return broken;
}

describe("a contract notices", () => {
  const storeWith = (change: (sound: MemoryStateStore) => Partial<StateStore>) =>
    stateStoreContract({
      make(retention) {
        const sound = new MemoryStateStore(retention);
        return {
          saveEvents: (batch) => sound.saveEvents(batch),
          loadHistory: (query) => sound.loadHistory(query),
          listTraces: (query) => sound.listTraces(query),
          prune: () => sound.prune(),
          saveRemoteBinding: (binding) => sound.saveRemoteBinding(binding),
          findRemoteBindings: (key) => sound.findRemoteBindings(key),
          ...change(sound),
        };
      },
    });

  test("a store that takes tenants for one another", async () => {
    const one = (key: { tenant: string }) => ({ ...key, tenant: "one" });
    const cases = storeWith((sound) => ({
      saveEvents: (batch) => sound.saveEvents(batch.map((event) => ({ ...event, ...one(event) }))),
      loadHistory: (query) => sound.loadHistory({ ...query, ...one(query) }),
    }));
    expect(await brokenBy(cases)).toContain("isolates tenants that use the same trace id, and similar ids");
  });

  test("a store that forgets its order, its cursor or its batch", async () => {
    const reversed = storeWith((sound) => ({ saveEvents: (batch) => sound.saveEvents([...batch].reverse()) }));
    expect(await brokenBy(reversed)).toContain("keeps the events of a trace in the order in which they were saved");
    const endless = storeWith((sound) => ({
      loadHistory: async (query) => ({ ...(await sound.loadHistory({ ...query, cursor: undefined })) }),
    }));
    expect(await brokenBy(endless)).toContain("returns each event once, at any page size");
    const twice = storeWith((sound) => ({ saveEvents: (batch) => sound.saveEvents([...batch, ...batch.slice(-1)]) }));
    expect(await brokenBy(twice)).toContain("keeps the events of a flow that continues while saves fail");
  });

  test("a store that lists what it should not, or not all", async () => {
    const open = storeWith((sound) => ({
      listTraces: async ({ tenant, ...query }) => {
        const pages = await Promise.all([tenant, "bob"].map((one) => sound.listTraces({ ...query, tenant: one })));
        return { traces: pages.flatMap(({ traces }) => traces), cursor: undefined };
      },
    }));
    expect(await brokenBy(open)).toContain("isolates tenants that use the same trace id, and similar ids");
    const unsorted = storeWith((sound) => ({
      listTraces: async (query) => {
        const page = await sound.listTraces(query);
        return { ...page, traces: page.traces.toReversed() };
      },
    }));
    expect(await brokenBy(unsorted)).toContain(
      "lists a tenant's traces with their states, most recently started first",
    );
    for (const ignored of ["state", "node", "errorCode", "startedFrom", "startedBefore"]) {
      const careless = storeWith((sound) => ({
        listTraces: (query) => sound.listTraces({ ...query, [ignored]: undefined }),
      }));
      expect(await brokenBy(careless), ignored).toContain("lists traces by state, node, error and time");
    }
  });

  test("a store that keeps more than it may, or what belongs to nothing", async () => {
    for (const ignored of ["maxAgeMs", "maxTraces", "maxEventsPerTrace", "maxBytes"]) {
      const careless = stateStoreContract({
        make: (retention) => new MemoryStateStore({ ...retention, [ignored]: undefined }),
      });
      expect(await brokenBy(careless), ignored).not.toEqual([]);
    }
    const clinging = storeWith((sound) => {
      const all = new MemoryStateStore();
      return {
        async saveRemoteBinding(binding) {
          await sound.saveRemoteBinding(binding);
          await all.saveRemoteBinding(binding);
        },
        findRemoteBindings: (key) => all.findRemoteBindings(key),
      };
    });
    expect(await brokenBy(clinging)).toEqual([
      "removes the least recently active traces of any tenant when there are too many",
    ]);
  });

  test.for<[rule: string, change: (sound: Log) => Partial<Log>]>([
    [
      "keeps items as they were, in order",
      (sound) => ({
        append: (key, at, items) =>
          sound.append(
            key,
            at,
            [...items].map((item) => item ?? 0),
          ),
      }),
    ],
    [
      "refuses an append that is not at its end, and stores nothing of it",
      (sound) => ({ append: async (key, _, items) => await sound.append(key, (await sound.read(key)).length, items) }),
    ],
    [
      "returns each item once, at any page size",
      (sound) => ({ read: (key, range) => sound.read(key, { ...range, from: 0 }) }),
    ],
    ["removes the items before a position, and changes no other position", () => ({ trim: async () => {} })],
    [
      "isolates tenants and names, even those that look alike",
      (sound) => ({ append: ({ name }, at, items) => sound.append({ tenant: "", name }, at, items) }),
    ],
  ])("a log that breaks: %s", async ([rule, change]) => {
    const broken = logContract({
      make() {
        const sound = new MemoryLog();
        return {
          append: (key, at, items) => sound.append(key, at, items),
          read: (key, range) => sound.read(key, range),
          trim: (key, before) => sound.trim(key, before),
          ...change(sound),
        };
      },
    });
    expect(await brokenBy(broken.filter(({ name }) => name === rule))).toEqual([rule]);
  });

  test("a bus that tells everyone everything, and one that repeats itself", async () => {
    const loud = messageBusContract({
      make() {
        const { bus } = makeBus();
        return {
          bus,
          subscribe: (_tenant, receive) => ["ada", "adam", "bob"].map((tenant) => bus.subscribe({ tenant }, receive)),
        };
      },
    });
    expect(await brokenBy(loud)).toEqual(["delivers to each tenant its own envelopes and no others"]);
    const repeating = messageBusContract({
      make() {
        const { bus, subscribe } = makeBus();
        return { subscribe, bus: { publish: async (batch) => bus.publish([...batch, ...batch]) } };
      },
    });
    expect(await brokenBy(repeating)).toContain(
      "publishes the messages of a flow that continues while calls fail, none of them twice",
    );
  });

  test("a transport that does not heed its signal's abort before it begins", { timeout: 20_000 }, async () => {
    const deaf = remoteTransportContract({
      make(skills) {
        const sound = new LoopbackTransport(skills);
        const unheard = <Request>(request: Request) => ({ ...request, signal: new AbortController().signal });
        return {
          agentUrl: "loopback",
          transport: {
            send: (request) => sound.send(unheard(request)),
            stream: (request) => sound.stream(unheard(request)),
            resubscribe: (task, options) => sound.resubscribe(task, options),
            cancel: (task) => sound.cancel(task),
          },
        };
      },
    });
    const named = (name: string) => deaf.filter((one) => one.name === name);
    expect(await brokenBy(named("does not begin a call whose signal has aborted"))).toHaveLength(1);
    expect(await brokenBy(named("answers a call with the result of the skill"))).toHaveLength(0);
  });

  const checkpointsWith = (change: (sound: CheckpointPartition) => Partial<CheckpointPartition>, leaseMs?: number) =>
    checkpointStoreContract({
      make() {
        const checkpoints = new MemoryCheckpointStore();
        return {
          async open(lease) {
            const sound = await checkpoints.open({ ...lease, leaseMs: leaseMs ?? lease.leaseMs });
            return wrapPartition(sound, change(sound));
          },
        };
      },
    });

  const named = (cases: typeof ofCheckpointStores, ...names: string[]) =>
    cases.filter(({ name }) => names.includes(name));

  test.for<[rule: string, change: (sound: CheckpointPartition) => Partial<CheckpointPartition>]>([
    [
      "keeps an entry as it was",
      (sound) => ({
        append: (batch, expected) =>
          sound.append({ ...batch, put: batch.put.map((one) => ({ ...one, state: one.state.trim() })) }, expected),
      }),
    ],
    [
      "puts and removes in one batch, and ignores the removal of an unknown run",
      (sound) => ({
        async append(batch, expected) {
          await sound.append({ ...batch, put: [] }, expected);
          return await sound.append({ put: batch.put, remove: [], counts: new Map() }, expected + 1);
        },
      }),
    ],
    [
      "yields each entry once, ordered by run, at any number of entries",
      (sound) => ({
        async *read() {
          for await (const page of sound.read()) yield page.toReversed();
        },
      }),
    ],
    [
      "adds up the completed messages of each node",
      (sound) => ({
        append: (batch, expected) =>
          sound.append({ ...batch, counts: new Map([...batch.counts].slice(0, 1)) }, expected),
      }),
    ],
    [
      "keeps the rows of a log as they were, and returns those of one run, ordered by position",
      (sound) => ({ readLog: async (run) => (await sound.readLog(run)).toReversed() }),
    ],
    [
      "removes the rows of a log with their run alone",
      (sound) => ({ append: (batch, expected) => sound.append({ ...batch, remove: [] }, expected) }),
    ],
    [
      "keeps the last position of each lane",
      (sound) => ({
        append: (batch, expected) =>
          sound.append({ ...batch, consumed: new Map([...(batch.consumed ?? [])].slice(0, 1)) }, expected),
      }),
    ],
    [
      "numbers its batches, and stores nothing of one that is out of sequence",
      (sound) => ({ append: (batch) => sound.append(batch, sound.sequence) }),
    ],
    [
      "releases a partition when it is closed, and rejects every later call on it",
      (sound) => ({ counts: () => sound.counts().catch(() => new Map()) }),
    ],
    [
      "gives a partition to another writer when its lease has expired, and fences off the former one",
      (sound) => ({ renew: () => sound.renew().catch(() => {}) }),
    ],
    ["keeps a lease valid while its writer renews it or appends", () => ({ renew: async () => {} })],
    [
      "keeps the contents and id of a partition when it is closed and reopened, under a larger fencing token",
      () => ({ close: async () => {} }),
    ],
    [
      "lets a writer continue after its lease has expired when no other has taken over",
      (sound) => {
        const openedAt = performance.now();
        return {
          renew: async () => {
            if (performance.now() > openedAt + 1) throw new Error("too late");
            await sound.renew();
          },
        };
      },
    ],
  ])("a checkpoint store that breaks a rule: %s", async ([rule, change]) => {
    expect(
      await brokenBy(
        named(
          checkpointsWith(() => ({})),
          rule,
        ),
      ),
    ).toEqual([]);
    expect(await brokenBy(named(checkpointsWith(change), rule))).toEqual([rule]);
  });

  test("a checkpoint store that gives a partition to every writer", async () => {
    const rules = [
      "rejects another writer while a lease is valid, and names its owner",
      "gives a partition to exactly one of several concurrent writers",
    ];
    expect(
      await brokenBy(
        named(
          checkpointsWith(() => ({}), 0),
          ...rules,
        ),
      ),
    ).toEqual(rules);
  });
});
