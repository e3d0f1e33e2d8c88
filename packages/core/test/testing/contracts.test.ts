import {
  type BusEnvelope,
  type JournalPartition,
  LoopbackTransport,
  MemoryJournal,
  MemoryMessageBus,
  MemoryStateStore,
  type StateStore,
} from "penguiflow";
import {
  journalContract,
  messageBusContract,
  remoteTransportContract,
  type RemoteTransportContract,
  stateStoreContract,
} from "penguiflow/testing";
import { describe, expect, test } from "vitest";

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
const ofJournals = journalContract({ make: () => new MemoryJournal() });

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

describe("the journal in memory", () => {
  test.for(ofJournals)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

/** How many cases of a contract an adapter breaks, by name. */
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
    expect(await brokenBy(cases)).toContain("keeps tenants apart who use the same trace id, and ids that look alike");
  });

  test("a store that forgets its order, its cursor or its batch", async () => {
    const reversed = storeWith((sound) => ({ saveEvents: (batch) => sound.saveEvents([...batch].reverse()) }));
    expect(await brokenBy(reversed)).toContain("keeps the events of a trace in the order in which they were saved");
    const endless = storeWith((sound) => ({
      loadHistory: async (query) => ({ ...(await sound.loadHistory({ ...query, cursor: undefined })) }),
    }));
    expect(await brokenBy(endless)).toContain("gives each event once, however a history is paged");
    const twice = storeWith((sound) => ({ saveEvents: (batch) => sound.saveEvents([...batch, ...batch.slice(-1)]) }));
    expect(await brokenBy(twice)).toContain("keeps the events of a flow that goes on while saves fail");
  });

  test("a store that lists what it should not, or not all", async () => {
    const open = storeWith((sound) => ({
      listTraces: async ({ tenant, ...query }) => {
        const pages = await Promise.all([tenant, "bob"].map((one) => sound.listTraces({ ...query, tenant: one })));
        return { traces: pages.flatMap(({ traces }) => traces), cursor: undefined };
      },
    }));
    expect(await brokenBy(open)).toContain("keeps tenants apart who use the same trace id, and ids that look alike");
    const unsorted = storeWith((sound) => ({
      listTraces: async (query) => {
        const page = await sound.listTraces(query);
        return { ...page, traces: page.traces.toReversed() };
      },
    }));
    expect(await brokenBy(unsorted)).toContain(
      "lists a tenant's traces with what became of them, the one that started last first",
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
      "lets go of the traces that were quiet longest when there are too many, whoever's they are",
    ]);
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
    expect(await brokenBy(loud)).toEqual(["delivers to each tenant its own and nothing else"]);
    const repeating = messageBusContract({
      make() {
        const { bus, subscribe } = makeBus();
        return { subscribe, bus: { publish: async (batch) => bus.publish([...batch, ...batch]) } };
      },
    });
    expect(await brokenBy(repeating)).toContain(
      "carries the messages of a flow that goes on while calls fail, none of them twice",
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

  const journalWith = (change: (sound: JournalPartition) => Partial<JournalPartition>, leaseMs?: number) =>
    journalContract({
      make() {
        const journal = new MemoryJournal();
        return {
          async open(claim) {
            const sound = await journal.open({ ...claim, leaseMs: leaseMs ?? claim.leaseMs });
            return {
              id: sound.id,
              epoch: sound.epoch,
              get sequence() {
                return sound.sequence;
              },
              read: () => sound.read(),
              counts: () => sound.counts(),
              append: (batch, expected) => sound.append(batch, expected),
              renew: () => sound.renew(),
              close: () => sound.close(),
              ...change(sound),
            };
          },
        };
      },
    });

  const named = (cases: typeof ofJournals, ...names: string[]) => cases.filter(({ name }) => names.includes(name));

  test.for<[rule: string, change: (sound: JournalPartition) => Partial<JournalPartition>]>([
    [
      "keeps an entry as it was",
      (sound) => ({
        append: (batch, expected) =>
          sound.append({ ...batch, put: batch.put.map((one) => ({ ...one, state: one.state.trim() })) }, expected),
      }),
    ],
    [
      "puts and removes in one batch, and does not mind the removal of what is not there",
      (sound) => ({
        async append(batch, expected) {
          await sound.append({ ...batch, put: [] }, expected);
          return await sound.append({ put: batch.put, remove: [], counts: new Map() }, expected + 1);
        },
      }),
    ],
    [
      "gives each entry once and in the order of the runs, however many there are",
      (sound) => ({
        async *read() {
          for await (const page of sound.read()) yield page.toReversed();
        },
      }),
    ],
    [
      "adds up how many messages the nodes are done with",
      (sound) => ({
        append: (batch, expected) =>
          sound.append({ ...batch, counts: new Map([...batch.counts].slice(0, 1)) }, expected),
      }),
    ],
    [
      "numbers its batches, and keeps nothing of one that does not follow the last",
      (sound) => ({ append: (batch) => sound.append(batch, sound.sequence) }),
    ],
    [
      "frees a partition at once when it is closed, and refuses whatever is done with it then",
      (sound) => ({ counts: () => sound.counts().catch(() => new Map()) }),
    ],
    [
      "gives a partition to another when its claim has ended, and refuses the one that was overtaken",
      (sound) => ({ renew: () => sound.renew().catch(() => {}) }),
    ],
    ["keeps a claim that is renewed, and that of a writer that appends", () => ({ renew: async () => {} })],
    [
      "has after a partition was closed and opened what was in it, under the same id and a larger epoch",
      () => ({ close: async () => {} }),
    ],
    [
      "lets a writer go on whose claim has ended when nobody overtook it",
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
  ])("a journal that breaks a rule: %s", async ([rule, change]) => {
    expect(
      await brokenBy(
        named(
          journalWith(() => ({})),
          rule,
        ),
      ),
    ).toEqual([]);
    expect(await brokenBy(named(journalWith(change), rule))).toEqual([rule]);
  });

  test("a journal that gives a partition to everybody", async () => {
    const rules = [
      "refuses another writer while a claim lasts, and names its owner",
      "gives a partition that several want at once to one of them",
    ];
    expect(
      await brokenBy(
        named(
          journalWith(() => ({}), 0),
          ...rules,
        ),
      ),
    ).toEqual(rules);
  });
});
