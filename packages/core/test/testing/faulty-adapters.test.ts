import { type BusEnvelope, MemoryStateStore, seededRandom, type StoredEvent } from "penguiflow";
import { type AdapterFault, faultyMessageBus, faultyStateStore, TestClock } from "penguiflow/testing";
import { describe, expect, test } from "vitest";

const event: StoredEvent = { tenant: "ada", traceId: "t", kind: "node_start", at: 0, node: "n", payload: {} };

/** Returns the results of 200 saves in a row under a seed. */
async function savesUnder(seed: number, rate?: number) {
  const clock = new TestClock();
  const faults: AdapterFault[] = [];
  const kept = new MemoryStateStore();
  const onFault = (fault: AdapterFault): void => void faults.push(fault);
  const store = faultyStateStore(kept, {
    random: seededRandom(seed),
    clock,
    onFault,
    ...(rate === undefined ? {} : { rate }),
  });
  const errors: string[] = [];
  for (let save = 0; save < 200; save += 1) {
    const saved = store.saveEvents([event]).catch((error: unknown) => void errors.push((error as Error).message));
    await clock.advance(1_000);
    await saved;
  }
  return { faults, errors, kept: (await kept.loadHistory(event)).events.length, now: clock.now() };
}

describe("a faulty store", () => {
  test("refuses, loses answers and dawdles, and does what it was not refused", async () => {
    const { faults, errors, kept } = await savesUnder(7);
    const count = (kind: AdapterFault): number => faults.filter((fault) => fault === kind).length;
    for (const kind of ["refused", "unanswered", "slow"] as const) expect(count(kind), kind).toBeGreaterThan(3);
    expect(errors).toHaveLength(count("refused") + count("unanswered"));
    expect(new Set(errors)).toEqual(
      new Set(["Simulated fault: saveEvents was refused", "Simulated fault: saveEvents was done and its answer lost"]),
    );
    expect(kept).toBe(200 - count("refused"));
  });

  test("does the same under the same seed, and something else under another", async () => {
    const one = await savesUnder(7);
    expect(await savesUnder(7)).toEqual(one);
    expect((await savesUnder(8)).faults).not.toEqual(one.faults);
  });

  test("keeps to its rate", async () => {
    expect((await savesUnder(7, 0)).faults).toEqual([]);
    expect((await savesUnder(7, 1)).faults).toHaveLength(200);
    expect(() => faultyStateStore(new MemoryStateStore(), { rate: 2 })).toThrow(
      'Option "rate" must be a number from 0 to 1: got 2',
    );
    expect(() => faultyStateStore(new MemoryStateStore(), { seed: 2 } as never)).toThrow(
      /Unknown option "seed" of faultyStateStore/,
    );
  });

  test("goes wrong in every method", async () => {
    const store = faultyStateStore(new MemoryStateStore(), { rate: 1, random: () => 0 });
    await expect(store.loadHistory(event)).rejects.toThrow("loadHistory was refused");
    await expect(store.listTraces(event)).rejects.toThrow("listTraces was refused");
    await expect(store.prune()).rejects.toThrow("prune was refused");
    await expect(store.findRemoteBindings(event)).rejects.toThrow("findRemoteBindings was refused");
    await expect(
      store.saveRemoteBinding({ ...event, node: "n", agentUrl: "a", taskId: "t", contextId: undefined }),
    ).rejects.toThrow("saveRemoteBinding was refused");
  });
});

test("a faulty bus refuses what it does not publish", async () => {
  const published: BusEnvelope[] = [];
  const bus = faultyMessageBus(
    { publish: async (batch) => void published.push(...batch) },
    { rate: 1, random: () => 0 },
  );
  await expect(bus.publish([{} as BusEnvelope])).rejects.toThrow("publish was refused");
  expect(published).toEqual([]);
});
