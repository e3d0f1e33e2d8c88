import { type BusEnvelope, LoopbackTransport, MemoryMessageBus, MemoryStateStore, type StateStore } from "penguiflow";
import {
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
            cancel: (task) => sound.cancel(task),
          },
        };
      },
    });
    const named = (name: string) => deaf.filter((one) => one.name === name);
    expect(await brokenBy(named("does not begin a call whose signal has aborted"))).toHaveLength(1);
    expect(await brokenBy(named("answers a call with the result of the skill"))).toHaveLength(0);
  });
});
