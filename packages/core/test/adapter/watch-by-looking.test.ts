import { type RegistryEntry, watchByLooking, type WatchSource } from "penguiflow/adapter";
import { settle } from "penguiflow/testing";
import { expect, onTestFinished, test } from "vitest";

type Changed = Parameters<Parameters<WatchSource["subscribe"]>[0]>;

/** A registry of which a watcher sees what the test says. */
function source(first: Record<string, RegistryEntry> = {}) {
  const told: (readonly [string, string | undefined])[] = [];
  let seen: Record<string, RegistryEntry> | Error = first;
  let latest: Record<string, RegistryEntry> | undefined;
  let looks = 0;
  let listener: ((...change: Changed) => void) | undefined;
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const watch: WatchSource = {
    async look() {
      looks += 1;
      if (seen instanceof Error) throw seen;
      return new Map(Object.entries(seen));
    },
    subscribe(changed) {
      listener = changed;
      return { [Symbol.dispose]: () => (listener = undefined) };
    },
    confirm: async (key) => latest?.[key],
  };
  return {
    told,
    ending,
    get looks() {
      return looks;
    },
    get isListening() {
      return listener !== undefined;
    },
    begin: async () => {
      await watchByLooking(watch, (key, value) => told.push([key, value]), ending.signal);
      await settle();
    },
    /** Lets looks see this, notifies, and awaits what is told. */
    see: async (
      next: Record<string, RegistryEntry> | Error,
      confirmed?: Record<string, RegistryEntry>,
      ...change: Changed
    ): Promise<void> => {
      seen = next;
      latest = confirmed;
      listener?.(...change);
      await settle();
    },
  };
}

const entry = (value: string, revision: number): RegistryEntry => ({ value, revision });

test("present values are told, then each change once", async () => {
  const { told, begin, see } = source({ a: entry("1", 1) });
  await begin();
  await see({ a: entry("1", 2), b: entry("2", 3) });
  await see({ b: entry("2", 3) });
  expect(told).toEqual([
    ["a", "1"],
    ["b", "2"],
    ["a", undefined],
  ]);
});

test("a look that is behind brings back nothing old, and removes nothing that is there", async () => {
  const { told, begin, see } = source({ a: entry("1", 1), b: entry("1", 2) });
  await begin();
  told.length = 0;
  await see({ a: entry("1", 1) }, { b: entry("1", 2) });
  expect(told).toEqual([]);
  await see({ b: entry("1", 2) });
  expect(told).toEqual([["a", undefined]]);
  await see({ a: entry("1", 1), b: entry("1", 2) });
  expect(told).toHaveLength(1);
  await see({ a: entry("1", 4), b: entry("1", 2) });
  expect(told.at(-1)).toEqual(["a", "1"]);
});

test("a change whose value was told already causes no look", async () => {
  const watched = source({ a: entry("1", 1) });
  await watched.begin();
  const { looks } = watched;
  await watched.see({ a: entry("1", 2) }, undefined, "a", "1");
  expect(watched.looks).toBe(looks);
  await watched.see({ a: entry("2", 3) }, undefined, "a", "2");
  expect(watched.told.at(-1)).toEqual(["a", "2"]);
});

test("a look that fails leaves what was told; a first one that fails ends the watch", async () => {
  const { told, begin, see } = source({ a: entry("1", 1) });
  await begin();
  await see(new Error("down"));
  expect(told).toEqual([["a", "1"]]);
  const failing = source();
  await failing.see(new Error("down"));
  await expect(failing.begin()).rejects.toThrow("down");
  expect(failing.isListening).toBe(false);
});

test("nothing is told after the end", async () => {
  const watched = source({ a: entry("1", 1) });
  await watched.begin();
  watched.ending.abort();
  expect(watched.isListening).toBe(false);
  await watched.see({});
  expect(watched.told).toEqual([["a", "1"]]);
});
