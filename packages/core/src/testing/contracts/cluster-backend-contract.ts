import { requireFunction, requireKnownKeys } from "../../foundation/options.ts";
import type { BackendFigures, ClusterBackend } from "../../ports/cluster-backend.ts";
import type { IntakeLimit, Offer } from "../../ports/intake.ts";
import type { ResultKey, StoredResult } from "../../ports/result-store.ts";
import { type ContractCase, inTime, requireSame, until } from "./contract.ts";
import { sharedLeaseRules } from "./shared-lease-rules.ts";

/** Options of {@link clusterBackendContract}. */
export interface ClusterBackendContract {
  /** Creates an empty backend. */
  readonly make: () => ClusterBackend | Promise<ClusterBackend>;
}

/**
 * Returns the rules of the ports `Intake`, `ResultStore`, `Registry` and `Wire`, and those of shared leases, for authors
 * of backends. Each case creates its own backend. The other rules of its checkpoints are those of
 * `checkpointStoreContract`.
 *
 * @example
 * ```ts
 * for (const { name, run } of clusterBackendContract({ make: () => myBackend() })) test(name, run);
 * ```
 */
export function clusterBackendContract(options: ClusterBackendContract): ContractCase[] {
  requireKnownKeys("clusterBackendContract", options, ["make"]);
  requireFunction("make", options.make);
  return Object.entries({ ...rules, ...sharedLeaseRules }).map(([name, rule]) => ({
    name,
    run: async () => {
      const backend = await options.make();
      try {
        await inTime(`"${name}"`, rule(backend));
      } finally {
        await backend[Symbol.asyncDispose]();
      }
    },
  }));
}

type Rule = (backend: ClusterBackend) => Promise<void>;

const NOWHERE: ReadonlyMap<number, number> = new Map();

const rules: Readonly<Record<string, Rule>> = {
  async "intake: gives the items of a lane in the order of their offers, as they were"({ intake }) {
    const bodies = [[], [0], [255, 0, 13, 10], Array.from({ length: 70_000 }, (_, index) => index % 256)];
    const stored = await intake.offer(bodies.map((body, index) => offer(`k${index}`, { body: Uint8Array.from(body) })));
    requireSame("The answers", stored, ["stored", "stored", "stored", "stored"]);
    const items = await intake.read("p/1", NOWHERE, limit());
    requireSame(
      "The bodies",
      items.map(({ body }) => [...body]),
      bodies,
    );
    requireAscending(items.map(({ sequence }) => sequence));
  },
  async "intake: reads on after a position, each lane after its own"({ intake }) {
    await intake.offer([offer("a1"), offer("a2"), offer("b1", { lane: 2 }), offer("b2", { lane: 2 })]);
    const all = await intake.read("p/1", NOWHERE, limit());
    requireSame("The number of items", all.length, 4);
    const first = all.find(({ lane }) => lane === 1)!;
    const rest = await intake.read("p/1", new Map([[1, first.sequence]]), limit());
    requireSame(
      "The lanes of what is left",
      rest.map(({ lane }) => lane).toSorted((one, other) => one - other),
      [1, 2, 2],
    );
    const ends = new Map(all.map(({ lane, sequence }) => [lane, sequence]));
    requireSame("What is left after the ends", await intake.read("p/1", ends, limit()), []);
  },
  async "intake: keeps partitions apart, whatever their names"({ intake }) {
    const names = ["p/1", "p/10", "P/1", "p%2F1", "p_1", "p*", "p>", "p.1", "ü/1"];
    await intake.offer(
      names.map((partition) => offer("same key", { partition, body: new TextEncoder().encode(partition) })),
    );
    for (const partition of names) {
      const items = await intake.read(partition, NOWHERE, limit());
      requireSame(
        `What "${partition}" has`,
        items.map(({ body }) => new TextDecoder().decode(body)),
        [partition],
      );
    }
  },
  async "intake: refuses the key of an item that is there, also within one request"({ intake }) {
    requireSame("The answers", await intake.offer([offer("a"), offer("a"), offer("b")]), [
      "stored",
      "duplicate",
      "stored",
    ]);
    requireSame("The answer", await intake.offer([offer("a")]), ["duplicate"]);
    requireSame("The number of items", (await intake.read("p/1", NOWHERE, limit())).length, 2);
  },
  async "intake: shares a read among lanes, so that none is starved"({ intake }) {
    await intake.offer(Array.from({ length: 50 }, (_, index) => offer(`flood ${index}`)));
    await intake.offer([offer("alone", { lane: 7 })]);
    const items = await intake.read("p/1", NOWHERE, limit({ count: 10 }));
    requireSame("The number of items", items.length, 10);
    requireSame(
      "Whether the other lane has a share",
      items.some(({ lane }) => lane === 7),
      true,
    );
  },
  async "intake: ends a read at a number of bytes, and gives one item at least"({ intake }) {
    await intake.offer(Array.from({ length: 5 }, (_, index) => offer(`k${index}`, { body: new Uint8Array(1_000) })));
    requireSame("The number of items", (await intake.read("p/1", NOWHERE, limit({ bytes: 10 }))).length, 1);
  },
  async "intake: waits for an item, and tells it as it comes"({ intake }) {
    const reading = intake.read("p/1", NOWHERE, limit({ waitMs: 4_000 }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await intake.offer([offer("late")]);
    requireSame("The number of items", (await reading).length, 1);
  },
  async "intake: a read resolves with nothing when it has waited, and when its signal aborts"({ intake }) {
    requireSame("What has come", await intake.read("p/1", NOWHERE, limit({ waitMs: 20 })), []);
    const abort = new AbortController();
    const reading = intake.read("p/1", NOWHERE, limit({ waitMs: 60_000, signal: abort.signal }));
    setTimeout(() => abort.abort(), 20);
    requireSame("What has come", await reading, []);
    requireSame(
      "What has come",
      await intake.read("p/1", NOWHERE, limit({ waitMs: 60_000, signal: abort.signal })),
      [],
    );
  },
  async "intake: trims what is behind a position, of that lane alone, as often as it is asked to"({ intake }) {
    await intake.offer([offer("a1"), offer("a2"), offer("a3"), offer("b1", { lane: 2 })]);
    const items = await intake.read("p/1", NOWHERE, limit());
    const [, second] = items.filter(({ lane }) => lane === 1);
    for (let time = 0; time < 2; time += 1) await intake.trim("p/1", new Map([[1, second!.sequence]]));
    requireSame("The number of items", (await intake.read("p/1", NOWHERE, limit())).length, 2);
    requireSame("The backlog", (await intake.backlog(["p/1"])).get("p/1"), 2);
    requireSame("The answer to a trimmed key", await intake.offer([offer("a1")]), ["stored"]);
  },
  async "intake: sequences go on after all items were trimmed"({ intake }) {
    await intake.offer([offer("a")]);
    const [first] = await intake.read("p/1", NOWHERE, limit());
    await intake.trim("p/1", new Map([[1, first!.sequence]]));
    await intake.offer([offer("b")]);
    const [second] = await intake.read("p/1", new Map([[1, first!.sequence]]), limit());
    requireSame("Whether the item behind the position is found", second !== undefined, true);
    requireAscending([first!.sequence, second!.sequence]);
  },
  async "intake: stores items that are offered side by side, each once"({ intake }) {
    const offers = Array.from({ length: 200 }, (_, index) => offer(`k${index % 100}`, { lane: index % 3 }));
    const answers = (await Promise.all(offers.map((one) => intake.offer([one])))).flat();
    requireSame("How many were stored", answers.filter((answer) => answer === "stored").length, 100);
    requireSame("How many are there", (await intake.read("p/1", NOWHERE, limit({ count: 1_000 }))).length, 100);
  },
  async "results: replaces what is not final, and never what is"({ results }) {
    requireSame("The answers", await put(results, result("a", 1, false), result("a", 2, false)), ["stored", "stored"]);
    requireSame("The answers", await put(results, result("a", 3, true), result("a", 4, true)), [
      "stored",
      "superseded",
    ]);
    requireSame("The answer", await put(results, result("a", 5, false)), ["superseded"]);
    requireSame("The body", bodyOf((await results.get([key("a")], "latest"))[0]), [3]);
  },
  async "results: keeps a final result longer when an equal one is stored again"({ results }) {
    const short = { ...result("a", 1, true), keepMs: 2_000 };
    requireSame("The answer", await put(results, short), ["stored"]);
    requireSame("The answer to an equal one", await put(results, { ...short, keepMs: 60_000 }), ["stored"]);
    const [kept] = await results.get([key("a")], "latest");
    requireSame("Whether it is kept for longer", (kept?.keepMs ?? 0) > 30_000, true);
    requireSame("The answer to another one", await put(results, result("a", 2, true)), ["superseded"]);
  },
  async "results: gives the results of keys in their order, and nothing for an unknown one"({ results }) {
    await results.put([result("a", 1, true), result("b", 2, true)]);
    const found = await results.get([key("b"), key("c"), key("a"), { ...key("a"), tenant: "other" }], "latest");
    requireSame("The bodies", found.map(bodyOf), [[2], undefined, [1], undefined]);
    requireSame("Whether it is final", found[0]?.isFinal, true);
  },
  async "results: keeps keys apart that look alike"({ results }) {
    const keys: ResultKey[] = [
      { partition: "p", tenant: "a", id: "b.c" },
      { partition: "p", tenant: "a.b", id: "c" },
      { partition: "p.a", tenant: "b", id: "c" },
      { partition: "p", tenant: "", id: "a b*>\u0001'\"\n" },
      { partition: "p", tenant: "ü", id: "x".repeat(2_000) },
    ];
    await results.put(
      keys.map((one, index) => ({ key: one, isFinal: true, body: Uint8Array.of(index), keepMs: 60_000 })),
    );
    requireSame(
      "The bodies",
      (await results.get(keys, "latest")).map(bodyOf),
      keys.map((_, index) => [index]),
    );
  },
  async "results: of writers side by side, one alone stores the final result"({ results }) {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => put(results, result("a", index, true))));
    requireSame("How many were stored", answers.flat().filter((answer) => answer === "stored").length, 1);
  },
  async "results: forgets what it is told to, and what has been kept long enough"({ results }) {
    await results.put([result("a", 1, true), { ...result("b", 2, true), keepMs: 30 }]);
    const [kept] = await results.get([key("a")], "latest");
    await results.forget([
      { key: key("a"), revision: kept!.revision },
      { key: key("unknown"), revision: 1 },
    ]);
    await new Promise((resolve) => setTimeout(resolve, 80));
    requireSame("The bodies", (await results.get([key("a"), key("b")], "latest")).map(bodyOf), [undefined, undefined]);
    requireSame("The answer to a forgotten key", await put(results, result("a", 3, true)), ["stored"]);
  },
  async "results: each stored result has a revision of its own, which is told as it is stored and as it is read"({
    results,
  }) {
    const revisions: number[] = [];
    for (const [value, isFinal] of [
      [1, false],
      [2, false],
      [2, true],
    ] as const) {
      const [stored] = await results.put([result("a", value, isFinal)]);
      const [kept] = await results.get([key("a")], "latest");
      requireSame("The revision that is read", kept?.revision, stored);
      revisions.push(stored as number);
    }
    requireSame("The number of different revisions", new Set(revisions).size, 3);
  },
  async "results: forgets a result of the revision alone: a forget that comes late or twice leaves a newer one"({
    results,
  }) {
    // the same bytes, as of a trace that fails in the same way again
    const [first] = await results.put([result("a", 1, true)]);
    const late = [{ key: key("a"), revision: first as number }];
    await results.forget(late);
    requireSame("What is left", (await results.get([key("a")], "latest")).map(bodyOf), [undefined]);
    requireSame("The answer to a forgotten key", await put(results, result("a", 1, true)), ["stored"]);
    await results.forget(late);
    await Promise.all([results.forget(late), results.forget([...late, ...late])]);
    requireSame("The newer result", (await results.get([key("a")], "latest")).map(bodyOf), [[1]]);
    const [open] = await results.put([result("b", 1, false)]);
    await results.put([result("b", 2, true)]);
    await results.forget([{ key: key("b"), revision: open as number }]);
    requireSame("What has replaced it", (await results.get([key("b")], "latest")).map(bodyOf), [[2]]);
    await results.forget([{ key: key("b"), revision: first as number }]);
    requireSame("A result of another key's revision", (await results.get([key("b")], "latest")).map(bodyOf), [[2]]);
  },
  async "registry: puts on a revision alone, and refuses another"({ registry }) {
    const first = await registry.put("app/x", "1", { revision: 0 });
    requireSame(
      "A second value without a revision before",
      await registry.put("app/x", "2", { revision: 0 }),
      "conflict",
    );
    const second = await registry.put("app/x", "2", { revision: first as number });
    requireSame("An old revision", await registry.put("app/x", "3", { revision: first as number }), "conflict");
    const entry = await registry.get("app/x");
    requireSame("The entry", entry, { value: "2", revision: second });
    requireSame("Whether revisions ascend", (second as number) > (first as number), true);
    await registry.delete("app/x");
    requireSame("What is left", await registry.get("app/x"), undefined);
    await registry.delete("app/x");
  },
  async "registry: of members side by side, one alone wins a revision"({ registry }) {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => registry.put("app/x", `${index}`, { revision: 0 })),
    );
    requireSame("How many won", answers.filter((answer) => answer !== "conflict").length, 1);
  },
  async "registry: removes a value that is not put again within its time"({ registry }) {
    await registry.put("app/m/a", "1", { ttlMs: 200 });
    const end = performance.now() + 1_500;
    while (performance.now() < end) {
      await registry.put("app/m/b", "1", { ttlMs: 1_000 });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    requireSame("The silent one", await registry.get("app/m/a"), undefined);
    requireSame("The one that is put again", (await registry.get("app/m/b"))?.value, "1");
  },
  async "registry: tells the values under a prefix, then their changes, until the signal aborts"({ registry }) {
    await registry.put("app/m/a", "1");
    await registry.put("app/n/a", "1");
    const told = new Map<string, string | undefined>();
    const ending = new AbortController();
    await registry.watch("app/m/", (name, value) => told.set(name, value), ending.signal);
    requireSame("What is told at first", [...told], [["app/m/a", "1"]]);
    await registry.put("app/m/b", "2");
    await registry.delete("app/m/a");
    await until("the changes are told", () => told.get("app/m/b") === "2" && told.get("app/m/a") === undefined);
    await registry.put("app/m/c", "3", { ttlMs: 100 });
    await until("the end of a value is told", () => told.has("app/m/c") && told.get("app/m/c") === undefined);
    ending.abort();
    await registry.put("app/m/b", "4");
    await new Promise((resolve) => setTimeout(resolve, 50));
    requireSame("What is told after the end", told.get("app/m/b"), "2");
  },
  async "figures: are numbers, and the share of the intake in use follows what is in it"(backend) {
    const figures = async (): Promise<BackendFigures> => (await backend.figures?.()) ?? {};
    const first = await figures();
    for (const [name, value] of Object.entries(first))
      requireSame(`Whether "${name}" is a number from 0, or absent`, value === undefined || value >= 0, true);
    await backend.intake.offer(Array.from({ length: 10 }, (_, index) => offer(`k${index}`)));
    const { intakeFill } = await figures();
    if (first.intakeFill === undefined || intakeFill === undefined) return;
    requireSame("Whether offers raise the share", intakeFill > first.intakeFill, true);
    const [last] = (await backend.intake.read("p/1", NOWHERE, limit())).slice(-1);
    await backend.intake.trim("p/1", new Map([[1, last!.sequence]]));
    const trimmed = await figures();
    requireSame("Whether a trim lowers the share", trimmed.intakeFill! < intakeFill, true);
  },
  async "wire: publishes to all subscribers of a subject, in order, and to no other"({ wire }) {
    const got: number[][] = [[], []];
    const subscriptions = got.map((list) => wire.subscribe("app/s", (body) => void list.push(body[0]!)));
    const others = ["app/s2", "app", "app/*", "app/>"].map((subject) =>
      wire.subscribe(subject, () => void got[0]!.push(-1)),
    );
    await published(wire, "app/s", () => got[0]!.length > 0 && got[1]!.length > 0, 0);
    for (const list of got) list.length = 0;
    for (let index = 1; index <= 100; index += 1) wire.publish("app/s", Uint8Array.of(index));
    await until("all have come", () => got.every((list) => list.filter((value) => value > 0).length >= 100));
    for (const list of got)
      requireSame(
        "What has come",
        list.filter((value) => value !== 0),
        Array.from({ length: 100 }, (_, index) => index + 1),
      );
    for (const subscription of [...subscriptions, ...others]) subscription[Symbol.dispose]();
    wire.publish("app/s", Uint8Array.of(7));
    await new Promise((resolve) => setTimeout(resolve, 50));
    requireSame("What has come after the end", got[1]!.at(-1), 100);
  },
};

/** Publishes until a subscription is in effect: a wire may lose what comes before. */
async function published(
  wire: ClusterBackend["wire"],
  subject: string,
  isThere: () => boolean,
  value: number,
): Promise<void> {
  await until("a subscription is in effect", () => {
    if (!isThere()) wire.publish(subject, Uint8Array.of(value));
    return isThere();
  });
}

function offer(name: string, change: Partial<Offer> = {}): Offer {
  return { partition: "p/1", lane: 1, key: name, body: new TextEncoder().encode(name), ...change };
}

function limit(change: Partial<IntakeLimit> = {}): IntakeLimit {
  return { count: 100, bytes: 1_000_000, waitMs: 0, signal: new AbortController().signal, ...change };
}

const key = (id: string): ResultKey => ({ partition: "p/1", tenant: "ada", id });

function result(id: string, value: number, isFinal: boolean): StoredResult {
  return { key: key(id), isFinal, body: Uint8Array.of(value), keepMs: 60_000 };
}

/** Stores results. Returns what became of each. */
async function put(results: ClusterBackend["results"], ...given: readonly StoredResult[]): Promise<readonly string[]> {
  const answers = await results.put(given);
  return answers.map((answer) => (answer === "superseded" ? answer : "stored"));
}

const bodyOf = (stored: StoredResult | undefined): readonly number[] | undefined =>
  stored === undefined ? undefined : [...stored.body];

function requireAscending(sequences: readonly number[]): void {
  const isSo = sequences.every((sequence, index) => sequence > (sequences[index - 1] ?? 0));
  requireSame(`Whether ${sequences.join(", ")} ascend from 1`, isSo, true);
}
