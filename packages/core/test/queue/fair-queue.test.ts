import * as fc from "fast-check";
import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { describe, expect, test } from "vitest";
import { FairQueue, type LaneOwner, PLACES_PER_PRIORITY, type QueueItem } from "../../src/queue/fair-queue.ts";
import { range } from "../fixtures/quiet-flow.ts";

interface Item extends QueueItem {
  readonly owner: Owner;
  readonly index: number;
}
interface Owner extends LaneOwner {
  readonly name: string;
}

const owner = (name: string, tenant = "t", priority = 0): Owner => ({ name, tenant, priority, lanes: null });
const item = (of: Owner, index = 0): Item => ({ owner: of, index, nextInLane: null });
const label = (one: Item | null): string | null => (one === null ? null : `${one.owner.name}${one.index}`);

/** Creates a queue with `count` items of each owner, owner by owner. */
function filled(owners: readonly Owner[], count: number, weights: Record<string, number> = {}, exclusive = false) {
  const queue = new FairQueue<Item>(exclusive, (tenant) => weights[tenant] ?? 1);
  for (const one of owners) for (const index of range(count)) queue.push(one, item(one, index), false);
  return queue;
}

const popAll = (queue: FairQueue<Item>, count = Number.POSITIVE_INFINITY): Item[] => {
  const popped: Item[] = [];
  for (let one = queue.pop(); one !== null; one = queue.pop()) {
    popped.push(one);
    if (popped.length >= count) break;
  }
  return popped;
};

const countBy = (items: readonly Item[], key: (one: Item) => string): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const one of items) counts[key(one)] = (counts[key(one)] ?? 0) + 1;
  return counts;
};

describe("a fair queue", () => {
  test("of one owner is a FIFO queue", () => {
    expect(popAll(filled([owner("a")], 4)).map(label)).toEqual(["a0", "a1", "a2", "a3"]);
  });

  test("lets owners of one tenant take turns, however many items one of them has", () => {
    const [flood, small] = [owner("f"), owner("s")];
    const queue = filled([flood], 5);
    for (const index of range(2)) queue.push(small, item(small, index), false);
    expect(popAll(queue).map(label)).toEqual(["f0", "s0", "f1", "s1", "f2", "f3", "f4"]);
  });

  test("serves tenants in proportion to their weights", () => {
    const owners = ["a", "b", "c"].map((tenant) => owner(tenant, tenant));
    const popped = popAll(filled(owners, 100, { a: 1, b: 2, c: 7 }), 100);
    const counts = countBy(popped, (one) => one.owner.tenant);
    expect(Math.abs((counts["a"] ?? 0) - 10)).toBeLessThanOrEqual(1);
    expect(Math.abs((counts["b"] ?? 0) - 20)).toBeLessThanOrEqual(1);
    expect(Math.abs((counts["c"] ?? 0) - 70)).toBeLessThanOrEqual(1);
  });

  test("gives a tenant with a thousand owners no more than its share", () => {
    const crowd = range(1_000).map((index) => owner(`f${index}`, "flood"));
    const queue = filled(crowd, 1);
    const lone = owner("s", "small");
    for (const index of range(5)) queue.push(lone, item(lone, index), false);
    const places = popAll(queue, 12).flatMap((one, place) => (one.owner === lone ? [place] : []));
    expect(places).toHaveLength(5);
  });

  test("gives a tenant that was away no credit for its absence", () => {
    const [busy, idle] = [owner("b", "busy"), owner("i", "idle")];
    const queue = filled([busy], 200);
    popAll(queue, 100);
    for (const index of range(50)) queue.push(idle, item(idle, index), false);
    const counts = countBy(popAll(queue, 20), (one) => one.owner.tenant);
    expect(counts).toEqual({ busy: 10, idle: 10 });
  });

  test.each([true, false])(
    "does not starve a tenant with a backlog by one whose items come one by one (exclusive: %s)",
    (exclusive) => {
      const queue = new FairQueue<Item>(exclusive, () => 1);
      const backlog = range(100).map((index) => owner(`b${index}`, "backlog"));
      for (const one of backlog) queue.push(one, item(one), false);
      // a client whose next request waits as soon as the previous one has been taken
      let [served, waits] = [0, false];
      for (const round of range(40)) {
        const one = owner(`c${round}`, "closed loop");
        if (!waits) queue.push(one, item(one), false);
        const taken = queue.pop() as Item;
        waits = taken.owner.tenant === "backlog";
        if (waits) served += 1;
        queue.release(taken.owner);
      }
      expect(served).toBeGreaterThanOrEqual(19);
    },
  );

  test("does not charge a tenant for service while no other tenant waited", () => {
    const [busy, other] = [owner("b", "busy"), owner("o", "other")];
    const queue = filled([busy], 300);
    popAll(queue, 200);
    queue.push(other, item(other), false);
    const next = popAll(queue, 2).map((one) => one.owner.tenant);
    expect(next).toContain("busy");
    expect(next).toContain("other");
  });

  test(`lets a level of priority overtake ${PLACES_PER_PRIORITY} earlier arrivals, and no more`, () => {
    const early = range(300).map((index) => owner(`e${index}`));
    const queue = filled(early, 1);
    const urgent = owner("u", "t", 1);
    queue.push(urgent, item(urgent), false);
    const place = popAll(queue).findIndex((one) => one.owner === urgent);
    expect(place).toBe(300 - PLACES_PER_PRIORITY + (place === 201 ? 1 : 0));
  });

  test("does not starve a low priority under a steady stream of high ones", () => {
    const queue = new FairQueue<Item>(false, () => 1);
    const low = owner("low", "t", 0);
    queue.push(low, item(low), false);
    let waited = 0;
    for (; waited < 1_000; waited += 1) {
      for (const index of range(2)) {
        const high = owner(`h${waited}.${index}`, "t", 3);
        queue.push(high, item(high), false);
      }
      if (queue.pop()?.owner === low) break;
    }
    expect(waited).toBeLessThanOrEqual(3 * PLACES_PER_PRIORITY);
  });

  test("overtakes with a high priority only within its own tenant", () => {
    const queue = new FairQueue<Item>(false, () => 1);
    const [plain, pushy] = [
      range(4).map((index) => owner(`p${index}`, "plain")),
      range(4).map((index) => owner(`q${index}`, "pushy", 50)),
    ];
    for (const one of [...plain, ...pushy]) queue.push(one, item(one), false);
    const first = popAll(queue, 4).map((one) => one.owner.tenant);
    expect(first.filter((tenant) => tenant === "plain")).toHaveLength(2);
  });

  test("that is exclusive holds an owner's next item back until the one before was released", () => {
    const [a, b] = [owner("a"), owner("b")];
    const queue = filled([a, b], 2, {}, true);
    expect(popAll(queue).map(label)).toEqual(["a0", "b0"]);
    expect(queue.ready).toBe(0);
    queue.release(b);
    expect(popAll(queue).map(label)).toEqual(["b1"]);
    queue.release(a);
    queue.release(b);
    expect(popAll(queue).map(label)).toEqual(["a1"]);
    queue.release(a);
    expect([a.lanes, b.lanes, queue.size]).toEqual([null, null, 0]);
  });

  test("takes an item that comes back before the owner's others", () => {
    const a = owner("a");
    const queue = filled([a], 2, {}, true);
    const first = queue.pop() as Item;
    queue.pushFront(a, first, true);
    expect(queue.pop()).toBeNull();
    queue.release(a);
    expect(label(queue.pop())).toBe("a0");
    queue.release(a);
    expect(label(queue.pop())).toBe("a1");
  });
});

type Command =
  | { readonly kind: "push" | "pushFront"; readonly owner: number }
  | { readonly kind: "pop" }
  | { readonly kind: "release" | "hold" | "drain" | "popOf" | "peekOf"; readonly owner: number };

/** The required behaviour of a fair queue, without the order of turns. */
class Model {
  readonly lanes = new Map<Owner, Item[]>();
  readonly busy = new Set<Owner>();
  itemsOf(one: Owner): Item[] {
    const items = this.lanes.get(one) ?? [];
    this.lanes.set(one, items);
    return items;
  }
  get size(): number {
    return [...this.lanes.values()].reduce((sum, items) => sum + items.length, 0);
  }
  ready(): Owner[] {
    return [...this.lanes].filter(([one, items]) => items.length > 0 && !this.busy.has(one)).map(([one]) => one);
  }
}

test("under any operations, a fair queue loses nothing, keeps each owner's order, withholds busy owners' items and forgets owners without items", () => {
  const ownerIndex = fc.nat(5);
  const command: fc.Arbitrary<Command> = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("push" as const), owner: ownerIndex }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("pushFront" as const), owner: ownerIndex }) },
    { weight: 4, arbitrary: fc.constant({ kind: "pop" as const }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom(
          "release" as const,
          "release" as const,
          "hold" as const,
          "drain" as const,
          "popOf" as const,
          "peekOf" as const,
        ),
        owner: ownerIndex,
      }),
    },
  );
  fc.assert(
    fc.property(fc.boolean(), fc.array(command, { maxLength: 120 }), (exclusive, commands) => {
      const queue = new FairQueue<Item>(exclusive, (tenant) => Number(tenant) + 0.5);
      const owners = range(6).map((index) => owner(`o${index}`, String(index % 3), (index % 4) - 1));
      const model = new Model();
      let count = 0;
      for (const step of commands) {
        const one = owners["owner" in step ? step.owner : 0] as Owner;
        const items = model.itemsOf(one);
        if (step.kind === "push" || step.kind === "pushFront") {
          const made = item(one, count++);
          queue[step.kind](one, made, model.busy.has(one));
          if (step.kind === "push") items.push(made);
          else items.unshift(made);
        } else if (step.kind === "pop") {
          const ready = model.ready();
          const popped = queue.pop();
          strictEqual(popped === null, ready.length === 0);
          if (popped !== null) {
            ok(ready.includes(popped.owner));
            strictEqual(model.itemsOf(popped.owner).shift(), popped);
            if (exclusive) model.busy.add(popped.owner);
          }
        } else if (step.kind === "release") {
          queue.release(one);
          model.busy.delete(one);
        } else if (step.kind === "hold") {
          // it has no effect where the owner has no lane
          if (exclusive && queue.laneOf(one) !== null) {
            queue.hold(one);
            model.busy.add(one);
          }
        } else if (step.kind === "drain") {
          deepStrictEqual(queue.drain(one), items.splice(0));
          model.busy.delete(one);
        } else if (step.kind === "popOf") {
          // takes the first matching item from any position
          const fits = ({ index }: Item): boolean => index % 3 !== 0;
          const wanted = items.findIndex(fits);
          strictEqual(queue.popOf(one, fits), wanted === -1 ? null : items.splice(wanted, 1)[0]);
        } else {
          strictEqual(queue.peekOf(one), items[0] ?? null);
        }
        expect([queue.size, queue.ready]).toEqual([model.size, model.ready().length]);
      }
      for (const one of owners) {
        queue.drain(one);
        expect(one.lanes).toBeNull();
      }
      expect([queue.size, queue.ready, queue.pop()]).toEqual([0, 0, null]);
    }),
    { numRuns: 400 },
  );
});

test("tenants that always have something waiting are served within one item of their share, whatever their weights", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 5 }),
      fc.boolean(),
      (weights, exclusive) => {
        const queue = new FairQueue<Item>(exclusive, (tenant) => weights[Number(tenant)] ?? 1);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const owners = weights.map((_, tenant) => range(3).map((index) => owner(`${tenant}.${index}`, String(tenant))));
        for (const list of owners) for (const one of list) queue.push(one, item(one), false);
        const served = weights.map(() => 0);
        for (let round = 1; round <= 40 * total; round += 1) {
          const popped = queue.pop() as Item;
          const tenant = Number(popped.owner.tenant);
          served[tenant] = (served[tenant] ?? 0) + 1;
          queue.push(popped.owner, item(popped.owner, round), false);
          queue.release(popped.owner);
          for (const [index, weight] of weights.entries())
            expect(Math.abs((served[index] ?? 0) - (round * weight) / total)).toBeLessThanOrEqual(weights.length);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test("a line of fifty thousand costs no more per item than a short one", () => {
  const perItem = (count: number): number => {
    const owners = range(count).map((index) => owner(String(index), String(index % 50), index % 3));
    const startedAt = performance.now();
    const queue = filled(owners, 2, {}, true);
    for (let one = queue.pop(); one !== null; one = queue.pop()) queue.release(one.owner);
    return (performance.now() - startedAt) / count;
  };
  perItem(2_000);
  const [short, long] = [perItem(2_000), perItem(50_000)];
  // linear cost would be twenty-five times as much
  expect(long).toBeLessThan(short * 8 + 0.005);
});
