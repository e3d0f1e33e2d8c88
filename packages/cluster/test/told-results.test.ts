import type { ResultRevision, ResultStore } from "penguiflow/adapter";
import { describe, expect, test } from "vitest";
import { ToldResults } from "../src/client/told-results.ts";

const stored = (id: string, revision = 1): ResultRevision => ({
  key: { partition: "p", tenant: "acme", id },
  revision,
});

/** Results to be told, and the ids of those that were removed, by each removal. */
function told() {
  const removed: string[][] = [];
  const store: Pick<ResultStore, "forget"> = {
    forget: async (results) => void removed.push(results.map(({ key }) => key.id)),
  };
  return { results: new ToldResults(store as ResultStore), removed };
}

describe("results that a client has been told", () => {
  test("are removed once, and no removal is asked for without any", async () => {
    const { results, removed } = told();
    results.told(stored("a"));
    results.told(undefined);
    expect(results.size).toBe(1);
    for (let time = 0; time < 2; time += 1) await results.remove();
    expect(removed).toEqual([["a"]]);
    expect(results.size).toBe(0);
  });

  test("stay where an offer may be stored twice, however often they are told", async () => {
    const { results, removed } = told();
    results.repeated("a");
    for (let time = 0; time < 3; time += 1) {
      results.told(stored("a"));
      results.told(stored("b", time));
      await results.remove();
    }
    expect(removed).toEqual([["b"], ["b"], ["b"]]);
  });

  test("are removed the next time where a removal fails", async () => {
    const removed: string[] = [];
    const isDown = [true, false];
    const forget: ResultStore["forget"] = async (results) => {
      if (isDown.shift() === true) throw new Error("no answer");
      removed.push(...results.map(({ key }) => key.id));
    };
    const results = new ToldResults({ forget } as ResultStore);
    results.told(stored("a"));
    await expect(results.remove()).rejects.toThrow("no answer");
    results.told(stored("b"));
    await results.remove();
    expect(removed.toSorted()).toEqual(["a", "b"]);
  });
});
