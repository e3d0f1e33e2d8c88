import { requireFunction, requireKnownKeys } from "../../foundation/options.ts";
import { FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Log, LogKey, LogRange } from "../../ports/log.ts";
import { type ContractCase, failureOf, inTime, requireSame } from "./contract.ts";

/** Options of {@link logContract}. */
export interface LogContract {
  /** Creates a store without logs. */
  readonly make: () => Log | Promise<Log>;
  /** Called with each store at the end of its case. @defaultValue does nothing */
  readonly close?: (log: Log) => void | Promise<void>;
}

/**
 * Returns the rules of the `Log` port, for authors of adapters. Each case creates its own store.
 *
 * @example
 * ```ts
 * for (const { name, run } of logContract({ make: () => new MyLog() })) test(name, run);
 * ```
 */
export function logContract(options: LogContract): ContractCase[] {
  requireKnownKeys("logContract", options, ["make", "close"]);
  requireFunction("make", options.make);
  return Object.entries(rules).map(([name, rule]) => ({
    name,
    run: async () => {
      const log = await options.make();
      try {
        await inTime(`"${name}"`, rule(log));
      } finally {
        await options.close?.(log);
      }
    },
  }));
}

type Rule = (log: Log) => Promise<void>;

const ada: LogKey = { tenant: "ada", name: "thread" };

/** Names that UTF-8 cannot encode (lone surrogates), names that look alike, and one longer than an index entry. */
const ODD_NAMES = [
  "a",
  "A",
  "a ",
  "",
  "a\u0000",
  "\ud800",
  "\\ud800",
  "%",
  "ü ✓ '\"\n",
  "__proto__",
  "x".repeat(5_000),
];

const rules: Readonly<Record<string, Rule>> = {
  async "keeps items as they were, in order"(log) {
    const items = [
      null,
      true,
      -0.5,
      2 ** 53 - 1,
      "ü ✓ \u0000 \ud800 '\"\n",
      "",
      [],
      {},
      { deep: [{ list: [1, null] }], $date: 0 },
      "x".repeat(1_000_000),
    ];
    requireSame("The new length", await log.append(ada, 0, items.slice(0, 4)), 4);
    requireSame("The new length", await log.append(ada, 4, items.slice(4)), items.length);
    await requirePage(log, ada, {}, 0, items, items.length);
  },
  async "is empty under an unknown key"(log) {
    await requirePage(log, ada, {}, 0, [], 0);
    await log.trim(ada, 5);
    await requirePage(log, ada, {}, 0, [], 0);
    await requireConflict(log, 1, 0);
  },
  async "refuses an append that is not at its end, and stores nothing of it"(log) {
    await log.append(ada, 0, ["one", "two"]);
    for (const at of [0, 1, 3, 2 ** 53 - 1]) await requireConflict(log, at, 2);
    await requirePage(log, ada, {}, 0, ["one", "two"], 2);
    requireSame("The new length", await log.append(ada, 2, ["three"]), 3);
  },
  async "takes exactly one of several appends at the same place"(log) {
    for (const at of [0, 2]) {
      const writers = ["one", "two", "three", "four"];
      const answers = await Promise.allSettled(writers.map((writer) => log.append(ada, at, [writer, writer])));
      const won = writers.filter((_, index) => answers[index]?.status === "fulfilled");
      requireSame("The number of writers that were not refused", won.length, 1);
      const { items, length } = await log.read(ada, { from: at });
      requireSame("The items and the length", [items, length], [[won[0], won[0]], at + 2]);
    }
  },
  async "takes no items at its end, and refuses them elsewhere"(log) {
    requireSame("The length", await log.append(ada, 0, []), 0);
    await log.append(ada, 0, ["one"]);
    requireSame("The length", await log.append(ada, 1, []), 1);
    const error = await failureOf("An append of no items at 0", log.append(ada, 0, []));
    requireSame("Its code", (error as { code?: unknown }).code, FlowErrorCode.LOG_CONFLICT);
  },
  async "returns each item once, at any page size"(log) {
    const items = Array.from({ length: 11 }, (_, index) => index);
    for (const item of items) await log.append(ada, item, [item]);
    for (const limit of [1, 3, 10, 11, 50]) {
      const read: unknown[] = [];
      for (;;) {
        const page = await log.read(ada, { from: read.length, limit });
        read.push(...page.items);
        requireSame("The position of the page", page.at, read.length - page.items.length);
        if (read.length >= page.length) break;
      }
      requireSame(`The items in pages of ${limit}`, read, items);
    }
    await requirePage(log, ada, { from: 11 }, 11, [], 11);
    await requirePage(log, ada, { from: 100 }, 100, [], 11);
  },
  async "appends many items at once, and returns at most 1000 unless told otherwise"(log) {
    const items = Array.from({ length: 3_000 }, (_, index) => ({ index }));
    requireSame("The new length", await log.append(ada, 0, items), 3_000);
    await requirePage(log, ada, {}, 0, items.slice(0, 1_000), 3_000);
    await requirePage(log, ada, { limit: 5_000 }, 0, items, 3_000);
  },
  async "removes the items before a position, and changes no other position"(log) {
    await log.append(ada, 0, ["a", "b", "c", "d"]);
    await log.trim(ada, 2);
    await requirePage(log, ada, {}, 2, ["c", "d"], 4);
    await requirePage(log, ada, { from: 1, limit: 1 }, 2, ["c"], 4);
    await requirePage(log, ada, { from: 3 }, 3, ["d"], 4);
    for (const before of [0, 1, 2]) await log.trim(ada, before);
    await requirePage(log, ada, {}, 2, ["c", "d"], 4);
    await requireConflict(log, 2, 4);
    requireSame("The new length", await log.append(ada, 4, ["e"]), 5);
    await log.trim(ada, 100);
    await requirePage(log, ada, {}, 5, [], 5);
    await requireConflict(log, 0, 5);
    requireSame("The new length", await log.append(ada, 5, ["f"]), 6);
    await requirePage(log, ada, {}, 5, ["f"], 6);
  },
  async "isolates tenants and names, even those that look alike"(log) {
    const keys = ODD_NAMES.flatMap((name) => [
      { tenant: "ada", name },
      { tenant: name, name: "ada" },
    ]);
    for (const [index, key] of keys.entries()) await log.append(key, 0, [index]);
    await log.trim(keys[0] as LogKey, 1);
    for (const [index, key] of keys.entries())
      await requirePage(log, key, {}, index === 0 ? 1 : 0, index === 0 ? [] : [index], 1);
  },
  async "shares no item with its callers"(log) {
    const items = [{ text: "one" }];
    const appended = log.append(ada, 0, items);
    (items[0] as { text: string }).text = "changed";
    items.push({ text: "two" });
    await appended;
    const { items: read } = await log.read(ada);
    (read[0] as { text: string }).text = "changed";
    await requirePage(log, ada, {}, 0, [{ text: "one" }], 1);
  },
  async "refuses what is no JSON and what is out of range, and stores nothing of it"(log) {
    const wrong: readonly (readonly [string, () => Promise<unknown>])[] = [
      ["An item undefined", () => log.append(ada, 0, ["one", undefined])],
      ["A date within an item", () => log.append(ada, 0, [{ at: new Date(0) }])],
      ["An append at -1", () => log.append(ada, -1, ["one"])],
      ["An append at 0.5", () => log.append(ada, 0.5, ["one"])],
      ["A read from -1", () => log.read(ada, { from: -1 })],
      ["A read of 0 items", () => log.read(ada, { limit: 0 })],
      ["A trim before -1", () => log.trim(ada, -1)],
      ["A key without tenant", () => log.read({ name: "thread" } as never)],
    ];
    for (const [what, act] of wrong) {
      const error = await failureOf(what, act());
      if (!(error instanceof TypeError || error instanceof RangeError))
        throw new Error(`${what} must be refused with a TypeError or a RangeError: got ${String(error)}`);
    }
    await requirePage(log, ada, {}, 0, [], 0);
  },
};

async function requirePage(
  log: Log,
  key: LogKey,
  range: LogRange,
  at: number,
  items: readonly unknown[],
  length: number,
): Promise<void> {
  const page = await log.read(key, range);
  requireSame("The position of a page and the length of the log", [page.at, page.length], [at, length]);
  requireSame("The items of a page", page.items, items);
}

async function requireConflict(log: Log, at: number, length: number): Promise<void> {
  const error = (await failureOf(`An append at ${at}`, log.append(ada, at, ["refused"]))) as {
    readonly code?: unknown;
    readonly details?: Readonly<Record<string, unknown>>;
  };
  requireSame(
    `The code and the length of an append at ${at}`,
    [error.code, error.details?.["length"]],
    [FlowErrorCode.LOG_CONFLICT, length],
  );
}
