import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Waiting, WaitingList } from "../../src/queue/waiting-list.ts";
import { range } from "../fixtures/quiet-flow.ts";

class Entry implements Waiting {
  readonly name: number;
  nextWaiting: this | null = null;
  prevWaiting: this | null = null;
  list: WaitingList<this> | null = null;

  constructor(name: number) {
    this.name = name;
  }
}

const listed = (list: WaitingList<Entry>): number[] => {
  const names: number[] = [];
  for (let entry = list.head; entry !== null; entry = entry.nextWaiting) names.push(entry.name);
  return names;
};

test("a waiting list is first come first served, and anyone may leave at any time", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ kind: fc.constantFrom("push", "shift", "remove"), which: fc.nat(9) }), { maxLength: 80 }),
      (steps) => {
        const list = new WaitingList<Entry>();
        const entries = range(10).map((name) => new Entry(name));
        let model: number[] = [];
        const shifted: (readonly [number | undefined, number | undefined])[] = [];
        for (const { kind, which } of steps) {
          const entry = entries[which] as Entry;
          if (kind === "push" && entry.list === null) {
            list.push(entry);
            model.push(which);
          } else if (kind === "shift") {
            shifted.push([list.shift()?.name, model.shift()]);
          } else if (kind === "remove") {
            list.remove(entry);
            model = model.filter((name) => name !== which);
          }
          expect(listed(list)).toEqual(model);
          expect(list.size).toBe(model.length);
          for (const one of entries) {
            expect(one.list).toBe(model.includes(one.name) ? list : null);
            expect(one.list !== null || (one.nextWaiting === null && one.prevWaiting === null)).toBe(true);
          }
          for (const [taken, wanted] of shifted) expect(taken).toBe(wanted);
        }
      },
    ),
  );
});

test("leaving a list one does not stand in changes neither that list nor one's own", () => {
  const [mine, other] = [new WaitingList<Entry>(), new WaitingList<Entry>()];
  const [a, b, c] = [new Entry(1), new Entry(2), new Entry(3)];
  mine.push(a);
  mine.push(b);
  other.push(c);
  other.remove(a);
  other.remove(new Entry(4));
  expect([listed(mine), listed(other), mine.size, other.size]).toEqual([[1, 2], [3], 2, 1]);
  expect(new WaitingList<Entry>().shift()).toBeNull();
});
