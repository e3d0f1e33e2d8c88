import { type Clock, systemClock } from "../../foundation/clock.ts";
import { requireFunction, requireKnownKeys } from "../../foundation/options.ts";
import { seededRandom } from "../../foundation/random.ts";
import type { FlowEvent } from "../../events/flow-event.ts";
import { payloadNode } from "../../graph/node.ts";
import type {
  RemoteBinding,
  Retention,
  StateStore,
  StoredEvent,
  TraceKey,
  TraceQuery,
  TraceSummary,
} from "../../ports/state-store.ts";
import { create } from "../../flow/create.ts";
import { type ContractCase, failureOf, inTime, requireSame } from "./contract.ts";
import { faultyStateStore } from "../kit/faulty-adapters.ts";

/** Options of {@link stateStoreContract}. */
export interface StateStoreContract {
  /** Creates an empty store with the given limits; a limit that is not given must be out of reach of the cases. */
  readonly make: (retention: Retention) => StateStore | Promise<StateStore>;
  /** Called with each store at the end of its case. @defaultValue does nothing */
  readonly close?: (store: StateStore) => void | Promise<void>;
}

const ada: TraceKey = { tenant: "ada", traceId: "t" };

/**
 * Returns the rules of the `StateStore` port, for authors of adapters. Each case creates its own store.
 *
 * @example
 * ```ts
 * for (const { name, run } of stateStoreContract({ make: (retention) => new MyStore(retention) })) test(name, run);
 * ```
 */
export function stateStoreContract(options: StateStoreContract): ContractCase[] {
  requireKnownKeys("stateStoreContract", options, ["make", "close"]);
  requireFunction("make", options.make);
  const all = [...Object.entries(rules).map(([name, rule]) => [name, {}, rule] as const), ...rulesOfRetention];
  return all.map(([name, retention, rule]) => ({
    name,
    run: async () => {
      const store = await options.make(retention);
      try {
        await inTime(`"${name}"`, rule(store));
      } finally {
        await options.close?.(store);
      }
    },
  }));
}

type Rule = (store: StateStore) => Promise<void>;

const rules: Readonly<Record<string, Rule>> = {
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
  async "returns each event once, at any page size"(store) {
    await store.saveEvents(range(1, 11).map((number) => event(ada, number)));
    for (const limit of [1, 3, 10, 11, 50])
      requireSame(`A history in pages of ${limit}`, await paged(store, limit), range(1, 11));
  },
  async "continues after a cursor with the events saved since"(store) {
    await store.saveEvents(range(1, 4).map((number) => event(ada, number)));
    const first = await store.loadHistory({ ...ada, limit: 2 });
    await store.saveEvents([event(ada, 5)]);
    const rest = await store.loadHistory({ ...ada, cursor: first.cursor, limit: 10 });
    requireSame("The rest of the history", rest.events.map(numberOf), [3, 4, 5]);
    requireSame("The cursor of the last page", rest.cursor, undefined);
  },
  async "returns an empty history for an unknown trace"(store) {
    const { events, cursor } = await store.loadHistory({ tenant: "ada", traceId: "unknown" });
    requireSame("The history", { events: [...events], cursor }, { events: [], cursor: undefined });
    requireSame("The bindings", [...(await store.findRemoteBindings({ tenant: "ada", traceId: "unknown" }))], []);
  },
  async "isolates tenants that use the same trace id, and similar ids"(store) {
    const keys = [
      ada,
      { tenant: "bob", traceId: "t" },
      { tenant: "a", traceId: "b:c" },
      { tenant: "a:b", traceId: "c" },
      { tenant: "ADA", traceId: "t" },
      { tenant: "ada", traceId: "t " },
      { tenant: "a%", traceId: "_" },
      // lone surrogates, which UTF-8 cannot encode
      { tenant: "\ud800", traceId: "t" },
      { tenant: "\udfff", traceId: "t" },
      { tenant: "\ufffd", traceId: "t" },
      { tenant: "ada", traceId: "t\u0000" },
    ];
    await store.saveEvents(keys.map((key, index) => event(key, index)));
    for (const [index, key] of keys.entries()) await store.saveRemoteBinding(binding(key, `task ${index}`));
    for (const [index, key] of keys.entries()) {
      await requireHistory(store, key, [index]);
      requireSame(`The tasks of ${key.tenant}`, tasksOf(await store.findRemoteBindings(key)), [`task ${index}`]);
      const own = keys.filter(({ tenant }) => tenant === key.tenant).map(({ traceId }) => traceId);
      requireSame(`The traces of ${key.tenant}`, await listed(store, { tenant: key.tenant }), own.reverse());
    }
  },
  async "accepts a batch of several traces, a large batch, and an empty one"(store) {
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
  async "does not retain the batch after its call has resolved"(store) {
    const batch = [event(ada, 1), event(ada, 2)];
    await store.saveEvents(batch);
    batch.length = 0;
    await requireHistory(store, ada, [1, 2]);
  },
  async "stores concurrent batches, each in its order"(store) {
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
  async "keeps several bindings of a trace, and the last one of each task"(store) {
    await store.saveRemoteBinding(binding(ada, "one"));
    await store.saveRemoteBinding(binding(ada, "two"));
    await store.saveRemoteBinding({ ...binding(ada, "one"), contextId: "changed" });
    requireSame(
      "The bindings",
      (await store.findRemoteBindings(ada)).map(present),
      [{ ...binding(ada, "one"), contextId: "changed" }, binding(ada, "two")].map(present),
    );
    await requireHistory(store, ada, []);
    requireSame("The traces of which there are events", await listed(store, { tenant: "ada" }), []);
  },
  async "rejects an unknown cursor, and a limit below 1"(store) {
    await store.saveEvents([event(ada, 1)]);
    for (const load of [
      (page: object) => store.loadHistory({ ...ada, ...page }),
      (page: object) => store.listTraces({ tenant: "ada", ...page }),
    ]) {
      for (const cursor of ["", "x", "-1", "1; --", "1e400"]) {
        const error = await failureOf(`Going on from the cursor "${cursor}"`, load({ cursor }));
        requireSame("Its error", (error as Error).name, "TypeError");
      }
      for (const limit of [0, -1, 1.5]) {
        const error = await failureOf(`A page of ${limit}`, load({ limit }));
        requireSame("Its error", (error as Error).name, "RangeError");
      }
    }
  },
  async "lists a tenant's traces with their states, most recently started first"(store) {
    const error = { name: "FlowError", message: "too slow", code: "NODE_TIMEOUT", node: "pack" };
    await store.saveEvents([...story("open", 10), ...story("done", 30, { status: "completed" })]);
    await store.saveEvents(story("failed", 20, { status: "failed", error }));
    const { traces, cursor } = await store.listTraces({ tenant: "ada" });
    const wanted: TraceSummary[] = [
      summary("done", 30, { state: "completed", lastAt: BEGUN + 33 }),
      summary("failed", 20, { state: "failed", lastAt: BEGUN + 23, node: "pack", errorCode: "NODE_TIMEOUT" }),
      summary("open", 10, { state: "running", lastAt: BEGUN + 12 }),
    ];
    requireSame("The traces", traces.map(present), wanted.map(present));
    requireSame("The cursor of the last page", cursor, undefined);
  },
  async "lists traces by state, node, error and time"(store) {
    const failed = (code: string, node: string) => ({ status: "failed", error: { code, node } });
    await store.saveEvents([
      ...story("a", 10),
      ...story("b", 20, failed("NODE_TIMEOUT", "pack")),
      ...story("c", 30, failed("NODE_EXCEPTION", "pack")),
      ...story("d", 40, failed("NODE_TIMEOUT", "send")),
      ...story("e", 50, { status: "completed" }),
    ]);
    const cases: [query: Partial<TraceQuery>, wanted: string][] = [
      [{ state: "failed" }, "dcb"],
      [{ state: "running" }, "a"],
      [{ state: "cancelled" }, ""],
      [{ node: "pack" }, "cb"],
      [{ errorCode: "NODE_TIMEOUT" }, "db"],
      [{ errorCode: "NODE_TIMEOUT", node: "pack" }, "b"],
      [{ startedFrom: BEGUN + 20, startedBefore: BEGUN + 40 }, "cb"],
      [{ startedFrom: BEGUN + 50 }, "e"],
      [{ state: "failed", node: "send", errorCode: "NODE_TIMEOUT", startedFrom: BEGUN + 30 }, "d"],
    ];
    for (const [query, wanted] of cases) {
      requireSame(
        `The traces of ${JSON.stringify(query)}`,
        (await listed(store, { tenant: "ada", ...query })).join(""),
        wanted,
      );
      const first = await store.listTraces({ tenant: "ada", ...query, limit: 1 });
      const rest = await store.listTraces({ tenant: "ada", ...query, cursor: first.cursor });
      const both = first.cursor === undefined ? first.traces : [...first.traces, ...rest.traces];
      requireSame(`The same in pages`, both.map(({ traceId }) => traceId).join(""), wanted);
    }
  },
  async "merges runs of one id into one trace with the latest state, and ignores the end of a playbook"(store) {
    const stateOf = async () => (await store.listTraces({ tenant: "ada" })).traces.map(({ state }) => state).join();
    await store.saveEvents(story("t", 10, { status: "failed", error: { code: "NODE_EXCEPTION", node: "pack" } }));
    await store.saveEvents(story("t", 20));
    requireSame("The state of a trace that runs again", await stateOf(), "running");
    const inner = { flow: "orders/inner" };
    await store.saveEvents([
      tell(ada, 30, "trace_start", inner),
      tell(ada, 31, "trace_end", { ...inner, status: "failed", error: { code: "NODE_TIMEOUT" } }),
    ]);
    requireSame("The state of a trace whose playbook failed", await stateOf(), "running");
    await store.saveEvents([
      tell(ada, 40, "trace_end", { status: "completed" }),
      tell(ada, 41, "node_late", {}, "pack"),
    ]);
    const [trace] = (await store.listTraces({ tenant: "ada" })).traces;
    const wanted = summary("t", 10, { state: "completed", lastAt: BEGUN + 41 });
    requireSame("The trace", present(trace), present(wanted));
  },
  async "lists each trace once, at any page size, and while others start"(store) {
    const instants = [10, 10, 10, 20, 20, 30, 40];
    for (const [index, at] of instants.entries()) await store.saveEvents(story(`t${index}`, at));
    const wanted = ["t6", "t5", "t4", "t3", "t2", "t1", "t0"];
    for (const limit of [1, 2, 3, 7, 8]) {
      requireSame(`A list in pages of ${limit}`, await pagedTraces(store, limit), wanted);
    }
    let more = 0;
    const found = await pagedTraces(store, 2, () => store.saveEvents(story(`later${(more += 1)}`, 50 + more)));
    requireSame("A list while others start", found, wanted);
  },
  async "keeps everything when it has no limits"(store) {
    await store.saveEvents(range(1, 50).map((number) => event({ tenant: "ada", traceId: `t${number}` }, number)));
    requireSame("The number of traces that go", await store.prune(), 0);
    requireSame("The number of traces that are left", (await listed(store, { tenant: "ada" })).length, 50);
  },
  async "keeps the events of a flow that continues while saves fail"(store) {
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

const rulesOfRetention: readonly (readonly [name: string, retention: Retention, rule: Rule])[] = [
  [
    "removes traces that are too old, with their bindings",
    { maxAgeMs: 60_000 },
    async (store) => {
      const now = Date.now() - BEGUN;
      for (const traceId of ["old", "revived"]) await store.saveEvents(story(traceId, now - 120_000));
      await store.saveRemoteBinding(binding({ tenant: "ada", traceId: "old" }, "task"));
      await store.saveEvents([...story("revived", now), ...story("new", now)]);
      await store.prune();
      const left = await listed(store, { tenant: "ada" });
      // a removed trace with new events has started anew
      requireSame("The traces that are left", left.sort(), ["new", "revived"]);
    },
  ],
  [
    "removes the least recently active traces of any tenant when there are too many",
    { maxTraces: 3 },
    async (store) => {
      const quiet = { tenant: "bob", traceId: "b" };
      await store.saveEvents([...story("a", 10), ...story("b", 20, undefined, "bob"), ...story("c", 30)]);
      await store.saveRemoteBinding(binding(quiet, "task"));
      await store.saveEvents([
        tell({ tenant: "ada", traceId: "a" }, 40, "node_success", {}, "pack"),
        ...story("d", 50),
      ]);
      await store.prune();
      requireSame("The number that goes when no more has to", await store.prune(), 0);
      requireSame("The traces of ada", await listed(store, { tenant: "ada" }), ["d", "c", "a"]);
      requireSame("The traces of bob", await listed(store, { tenant: "bob" }), []);
      requireSame("The history of what went", (await store.loadHistory(quiet)).events, []);
      requireSame("The bindings of what went", await store.findRemoteBindings(quiet), []);
    },
  ],
  [
    "removes the oldest events of a trace that has too many, and continues after a cursor to a removed one",
    { maxEventsPerTrace: 5 },
    async (store) => {
      await store.saveEvents(range(1, 4).map((number) => event(ada, number)));
      const { cursor } = await store.loadHistory({ ...ada, limit: 2 });
      await store.saveEvents(range(5, 9).map((number) => event(ada, number)));
      await store.saveEvents([event({ tenant: "bob", traceId: "t" }, 1)]);
      await store.prune();
      await requireHistory(store, ada, range(5, 9));
      await requireHistory(store, { tenant: "bob", traceId: "t" }, [1]);
      const rest = await store.loadHistory({ ...ada, cursor });
      requireSame("The rest of the history", rest.events.map(numberOf), range(5, 9));
      requireSame("The number of traces", await listed(store, { tenant: "ada" }), ["t"]);
    },
  ],
  [
    "removes the least recently active traces when they are too large",
    { maxBytes: 10_000 },
    async (store) => {
      // 500 letters of two bytes each
      const payload = { flow: "orders", text: "ü".repeat(500) };
      for (const number of range(1, 20))
        await store.saveEvents([tell({ ...ada, traceId: `t${number}` }, number, "node_start", payload)]);
      await store.prune();
      const left = await listed(store, { tenant: "ada" });
      const fitting = Math.floor(10_000 / new TextEncoder().encode(JSON.stringify(payload)).byteLength);
      requireSame(
        "The traces that are left",
        left,
        range(21 - fitting, 20)
          .reverse()
          .map((number) => `t${number}`),
      );
    },
  ],
  [
    "continues after a cursor with a trace that was removed and began anew",
    { maxTraces: 1 },
    async (store) => {
      await store.saveEvents(range(1, 4).map((number) => event(ada, number)));
      const { cursor } = await store.loadHistory({ ...ada, limit: 3 });
      await store.saveEvents([event({ tenant: "bob", traceId: "t" }, 5)]);
      await store.prune();
      await store.saveEvents([event(ada, 6), event(ada, 7)]);
      const rest = await store.loadHistory({ ...ada, cursor });
      requireSame("The rest of the history", rest.events.map(numberOf), [6, 7]);
    },
  ],
  [
    "returns the rest of a list when traces are removed between its pages",
    { maxTraces: 4 },
    async (store) => {
      for (const number of range(1, 4)) await store.saveEvents(story(`t${number}`, number * 10));
      const first = await store.listTraces({ tenant: "ada", limit: 2 });
      for (const number of range(5, 6)) await store.saveEvents(story(`t${number}`, number * 10));
      await store.prune();
      const rest = await store.listTraces({ tenant: "ada", cursor: first.cursor, limit: 2 });
      const found = [...first.traces, ...rest.traces].map(({ traceId }) => traceId);
      requireSame("What both pages have", found, ["t4", "t3"]);
    },
  ],
];

/** 2025-10-09, in epoch milliseconds. */
const BEGUN = 1_760_000_000_000;

/** Creates an event of a trace, `at` milliseconds after the start. */
function tell(key: TraceKey, at: number, kind: StoredEvent["kind"], payload: object = {}, node?: string): StoredEvent {
  const { tenant, traceId } = key;
  return { tenant, traceId, kind, at: BEGUN + at, node, payload: { type: kind, flow: "orders", ...payload } };
}

/** Creates the events of a trace that starts, reaches node "send", and ends in the given way. */
function story(
  traceId: string,
  at: number,
  end?: { readonly status: string; readonly error?: object },
  tenant = "ada",
) {
  const key = { tenant, traceId };
  const begun = [
    tell(key, at, "trace_start"),
    tell(key, at + 1, "node_start", {}, "pack"),
    tell(key, at + 2, "node_start", {}, "send"),
  ];
  return end === undefined ? begun : [...begun, tell(key, at + 3, "trace_end", end)];
}

/** Returns the summary of a {@link story} in a list. */
function summary(traceId: string, at: number, rest: Pick<TraceSummary, "state" | "lastAt"> & Partial<TraceSummary>) {
  const startedAt = BEGUN + at;
  return { tenant: "ada", traceId, flow: "orders", startedAt, node: "send", errorCode: undefined, ...rest };
}

async function listed(store: StateStore, query: TraceQuery): Promise<string[]> {
  return (await store.listTraces(query)).traces.map(({ traceId }) => traceId);
}

async function pagedTraces(
  store: StateStore,
  limit: number,
  between = async (): Promise<void> => {},
): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | undefined, pages = 0; pages < 100; pages += 1) {
    const page = await store.listTraces({ tenant: "ada", cursor, limit });
    if (page.traces.length > limit)
      throw new Error(`A page must have at most ${limit} traces: got ${page.traces.length}`);
    ids.push(...page.traces.map(({ traceId }) => traceId));
    if (page.cursor === undefined) break;
    cursor = page.cursor;
    await between();
  }
  return ids;
}

function event({ tenant, traceId }: TraceKey, number: number): StoredEvent {
  return { tenant, traceId, kind: "node_start", at: 1_760_000_000_000 + number, node: "node", payload: { number } };
}

function binding({ tenant, traceId }: TraceKey, taskId: string): RemoteBinding {
  return { tenant, traceId, node: "remote", agentUrl: "https://agent.example", taskId, contextId: undefined };
}

/** A clock on which the slow calls of a contract take one turn. */
const HASTY: Clock = { ...systemClock, setTimer: (callback) => systemClock.setTimer(callback, 0) };

const numberOf = ({ payload }: StoredEvent): unknown => payload["number"];
const tasksOf = (bindings: readonly RemoteBinding[]): string[] => bindings.map(({ taskId }) => taskId);
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** Returns the own, defined properties of an object: stores may return instances of their own classes. */
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

/** Whether all of `part` occurs in `whole`, in that order. */
function isWithin(part: readonly string[], whole: readonly string[]): boolean {
  let from = 0;
  return part.every((item) => {
    const found = whole.indexOf(item, from);
    from = found + 1;
    return found >= 0;
  });
}
