import { type Clock, systemClock } from "../foundation/clock.ts";
import { requireFunction, requireKnownKeys } from "../foundation/options.ts";
import { seededRandom } from "../foundation/random.ts";
import type { FlowEvent } from "../events/flow-event.ts";
import { payloadNode } from "../graph/node.ts";
import type { RemoteBinding, StateStore, StoredEvent, TraceKey } from "../ports/state-store.ts";
import { create } from "../runtime/create.ts";
import { type ContractCase, inTime, requireSame } from "./contract.ts";
import { faultyStateStore } from "./faulty-adapters.ts";

/** What {@link stateStoreContract} tests. */
export interface StateStoreContract {
  /** Makes an empty store, or one in which no case finds what another has left. */
  readonly make: () => StateStore | Promise<StateStore>;
  /** Called with each store at the end of its case. @defaultValue nothing to do */
  readonly close?: (store: StateStore) => void | Promise<void>;
}

const ada: TraceKey = { tenant: "ada", traceId: "t" };

/**
 * The rules of the `StateStore` port, for whoever writes an adapter. Each case makes a store of its own.
 *
 * @example
 * ```ts
 * for (const { name, run } of stateStoreContract({ make: () => new MyStore() })) test(name, run);
 * ```
 */
export function stateStoreContract(options: StateStoreContract): ContractCase[] {
  requireKnownKeys("stateStoreContract", options, ["make", "close"]);
  requireFunction("make", options.make);
  return Object.entries(rules).map(([name, rule]) => ({
    name,
    run: async () => {
      const store = await options.make();
      try {
        await inTime(`"${name}"`, rule(store));
      } finally {
        await options.close?.(store);
      }
    },
  }));
}

const rules: Readonly<Record<string, (store: StateStore) => Promise<void>>> = {
  async "keeps the events of a trace in the order in which they were saved"(store) {
    await store.saveEvents([event(ada, 1), event(ada, 2)]);
    await store.saveEvents([event(ada, 3)]);
    await requireHistory(store, ada, [1, 2, 3]);
  },
  async "keeps an event as it was"(store) {
    const payload = { deep: { list: [1, null, "ü ✓ \u0000 '\"\n"], empty: {} }, yes: true, text: "x".repeat(20_000) };
    const saved = { ...event(ada, 1), node: "search", payload };
    await store.saveEvents([saved, { ...saved, node: undefined }]);
    const { events } = await store.loadHistory(ada);
    requireSame("The event that was loaded", present(events[0]), present(saved));
    requireSame("The node of an event without one", events[1]?.node, undefined);
  },
  async "gives each event once, however a history is paged"(store) {
    await store.saveEvents(range(1, 11).map((number) => event(ada, number)));
    for (const limit of [1, 3, 10, 11, 50])
      requireSame(`A history in pages of ${limit}`, await paged(store, limit), range(1, 11));
  },
  async "goes on after a cursor with what was saved since"(store) {
    await store.saveEvents(range(1, 4).map((number) => event(ada, number)));
    const first = await store.loadHistory({ ...ada, limit: 2 });
    await store.saveEvents([event(ada, 5)]);
    const rest = await store.loadHistory({ ...ada, cursor: first.cursor, limit: 10 });
    requireSame("The rest of the history", rest.events.map(numberOf), [3, 4, 5]);
    requireSame("The cursor of the last page", rest.cursor, undefined);
  },
  async "has an empty history of a trace that it does not know"(store) {
    const { events, cursor } = await store.loadHistory({ tenant: "ada", traceId: "nobody's" });
    requireSame("The history", { events: [...events], cursor }, { events: [], cursor: undefined });
    requireSame("The bindings", [...(await store.findRemoteBindings({ tenant: "ada", traceId: "nobody's" }))], []);
  },
  async "keeps tenants apart who use the same trace id, and ids that look alike"(store) {
    const keys = [
      ada,
      { tenant: "bob", traceId: "t" },
      { tenant: "a", traceId: "b:c" },
      { tenant: "a:b", traceId: "c" },
      { tenant: "ADA", traceId: "t" },
      { tenant: "ada", traceId: "t " },
      { tenant: "a%", traceId: "_" },
    ];
    await store.saveEvents(keys.map((key, index) => event(key, index)));
    for (const [index, key] of keys.entries()) await store.saveRemoteBinding(binding(key, `task ${index}`));
    for (const [index, key] of keys.entries()) {
      await requireHistory(store, key, [index]);
      requireSame(`The tasks of ${key.tenant}`, tasksOf(await store.findRemoteBindings(key)), [`task ${index}`]);
    }
  },
  async "takes a batch of several traces, a large batch, and an empty one"(store) {
    const bob = { tenant: "bob", traceId: "t" };
    await store.saveEvents([]);
    await store.saveEvents(range(1, 2_000).map((number) => event(number % 2 === 0 ? ada : bob, number)));
    await requireHistory(
      store,
      ada,
      range(1, 1_000).map((number) => number * 2),
      2_000,
    );
    await requireHistory(
      store,
      bob,
      range(1, 1_000).map((number) => number * 2 - 1),
      2_000,
    );
  },
  async "does not need the batch any more when it has answered"(store) {
    const batch = [event(ada, 1), event(ada, 2)];
    await store.saveEvents(batch);
    batch.length = 0;
    await requireHistory(store, ada, [1, 2]);
  },
  async "keeps what is saved at the same time, each batch in its order"(store) {
    const batches = range(0, 9).map((batch) => range(1, 5).map((number) => event(ada, batch * 10 + number)));
    await Promise.all(batches.map((batch) => store.saveEvents(batch)));
    const kept = (await store.loadHistory({ ...ada, limit: 100 })).events.map(numberOf);
    for (const batch of range(0, 9)) {
      const own = kept.filter((number) => Math.floor(Number(number) / 10) === batch);
      requireSame(
        `Batch ${batch}`,
        own,
        range(1, 5).map((number) => batch * 10 + number),
      );
    }
  },
  async "keeps several bindings of a trace, and of each task the last"(store) {
    await store.saveRemoteBinding(binding(ada, "one"));
    await store.saveRemoteBinding(binding(ada, "two"));
    await store.saveRemoteBinding({ ...binding(ada, "one"), contextId: "changed" });
    const bindings = [...(await store.findRemoteBindings(ada))].sort((a, b) => (a.taskId < b.taskId ? -1 : 1));
    requireSame(
      "The bindings",
      bindings.map(present),
      [{ ...binding(ada, "one"), contextId: "changed" }, binding(ada, "two")].map(present),
    );
    await requireHistory(store, ada, []);
  },
  async "keeps the events of a flow that goes on while saves fail"(store) {
    let lost = 0;
    const faults = {
      random: seededRandom(7),
      rate: 0.4,
      clock: HASTY,
      onFault: (fault: string) => void (lost += fault === "slow" ? 0 : 1),
    };
    const told: FlowEvent[] = [];
    const step = payloadNode("step", (number: number) => number + 1);
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const flow = create(step.to(), {
      stateStore: faultyStateStore(store, faults),
      middlewares: [(seen) => void told.push(seen)],
      logger,
    });
    flow.run();
    for (const number of range(1, 20)) {
      requireSame("The result of a call", await flow.call(number, { tenant: "ada", traceId: "t" }), number + 1);
      await flow.flush();
    }
    const { failed } = flow.stats().observers.stateStore;
    await flow.stop();
    requireSame("The number of saves that failed", failed, lost);
    const kept = (await store.loadHistory({ ...ada, limit: 1_000 })).events.map(({ kind }) => kind);
    const all = told.map(({ type }) => type);
    if (kept.length === 0 || kept.length > all.length || !isWithin(kept, all))
      throw new Error(
        `The history of the flow must be part of its ${all.length} events, in their order: got ${kept.join(", ")}`,
      );
  },
};

function event({ tenant, traceId }: TraceKey, number: number): StoredEvent {
  return { tenant, traceId, kind: "node_start", at: 1_760_000_000_000 + number, node: "node", payload: { number } };
}

function binding({ tenant, traceId }: TraceKey, taskId: string): RemoteBinding {
  return { tenant, traceId, node: "remote", agentUrl: "https://agent.example", taskId, contextId: undefined };
}

/** Slow calls of a contract are slow by a turn. */
const HASTY: Clock = { ...systemClock, setTimer: (callback) => systemClock.setTimer(callback, 0) };

const numberOf = ({ payload }: StoredEvent): unknown => payload["number"];
const tasksOf = (bindings: readonly RemoteBinding[]): string[] => bindings.map(({ taskId }) => taskId);
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** An object without what is `undefined` in it, and nothing but its own: stores may make objects of their own. */
function present(value: object | undefined): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

async function requireHistory(
  store: StateStore,
  key: TraceKey,
  numbers: readonly number[],
  limit = 1_000,
): Promise<void> {
  const { events } = await store.loadHistory({ ...key, limit });
  requireSame(`The history of ${key.tenant}, "${key.traceId}"`, events.map(numberOf), numbers);
}

async function paged(store: StateStore, limit: number): Promise<unknown[]> {
  const numbers: unknown[] = [];
  for (let cursor: string | undefined, pages = 0; pages < 100; pages += 1) {
    const page = await store.loadHistory({ ...ada, cursor, limit });
    if (page.events.length > limit)
      throw new Error(`A page must have at most ${limit} events: got ${page.events.length}`);
    numbers.push(...page.events.map(numberOf));
    if (page.cursor === undefined) break;
    cursor = page.cursor;
  }
  return numbers;
}

/** Whether all of `part` comes in `whole`, in that order. */
function isWithin(part: readonly string[], whole: readonly string[]): boolean {
  let from = 0;
  return part.every((item) => {
    const found = whole.indexOf(item, from);
    from = found + 1;
    return found >= 0;
  });
}
