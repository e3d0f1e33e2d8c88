import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type FlowError, FlowErrorCode, Message } from "penguiflow";
import { OutcomeSink } from "../../../src/engine/results/sink.ts";
import { Trace } from "../../../src/engine/state/trace.ts";
import { IdSource } from "../../../src/foundation/ids.ts";
import { seededRandom } from "../../../src/foundation/random.ts";
import { TraceTable } from "../../../src/engine/state/trace-table.ts";
import { range } from "../../fixtures/quiet-flow.ts";

let runs = 0;
const trace = (id: string, tenant = "acme"): Trace => {
  const { headers } = new Message({ payload: 0, headers: { tenant } });
  return new Trace(runs++, id, headers, new OutcomeSink(1, () => {}), false, 0);
};

test("a table finds, of all traces put in and taken out, exactly those that are in it", () => {
  // ids that differ only in the middle, and equal ids
  const id = fc.oneof(
    fc.constantFrom("", "a", "b", "same"),
    fc.nat(9).map((digit) => `begin-----${digit}-----and-the-end-of-a-long-id`),
    fc.string({ maxLength: 30 }),
  );
  const step = fc.record({ adds: fc.boolean(), id, tenant: fc.constantFrom("acme", "other"), which: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const table = new TraceTable(new IdSource(Math.random));
      const model: Trace[] = [];
      for (const { adds, id: wanted, tenant, which } of steps) {
        if (adds || model.length === 0) {
          const added = trace(wanted, tenant);
          table.add(added);
          model.push(added);
        } else {
          const [removed] = model.splice(which % model.length, 1);
          table.remove(removed as Trace);
          table.remove(removed as Trace);
        }
        expect(table.size).toBe(model.length);
        expect(table.has(wanted)).toBe(model.some((one) => one.id === wanted));
        const found = table.find(wanted, tenant);
        expect(new Set(found)).toEqual(new Set(model.filter((one) => one.id === wanted && one.tenant === tenant)));
        const tenants = new Set(model.filter((one) => one.id === wanted).map((one) => one.tenant));
        const ofAnyTenant = (): number | string => {
          try {
            return table.find(wanted, undefined).length;
          } catch (error) {
            return (error as FlowError).code;
          }
        };
        const count = model.filter((one) => one.id === wanted).length;
        expect(ofAnyTenant()).toBe(tenants.size > 1 ? FlowErrorCode.TENANT_REQUIRED : count);
      }
      expect(new Set(table.all())).toEqual(new Set(model));
    }),
  );
});

test("a table of fifty thousand looks at few of them to find one, and at the newest of an id first", () => {
  const table = new TraceTable(new IdSource(Math.random));
  let looks = 0;
  const traces = range(50_000).map((index) => {
    const id = `3f8a9c0d-${index}-7e21`;
    return Object.defineProperty(trace(id), "id", {
      get() {
        looks += 1;
        return id;
      },
    });
  });
  for (const one of traces) table.add(one);
  for (const one of traces) if (table.find(one.id, undefined)[0] !== one) throw new Error(`Not found: ${one.id}`);
  for (const one of traces) table.remove(one);
  // a list would need more than a billion
  expect(looks).toBeLessThan(20 * traces.length);
  expect([table.size, table.all()]).toEqual([0, []]);
  const twins = [trace("twin"), trace("twin")];
  for (const one of twins) table.add(one);
  expect(table.find("twin", undefined)).toEqual(twins.toReversed());
});

test("a trace is found by the id that was made for it, whether its number was told or not", () => {
  const ids = new IdSource(seededRandom(1));
  const table = new TraceTable(ids);
  const traces = range(3_000).map(() => {
    const made = trace(ids.next());
    table.add(made, made.run % 2 === 0 ? ids.last : undefined);
    return made;
  });
  for (const made of traces) expect(table.find(made.id, "acme")).toEqual([made]);
  for (const text of ["", "!", "0", "-1"]) expect(table.has(`${traces[0]?.id.slice(0, 13)}${text}`)).toBe(false);
  for (const made of traces) table.remove(made);
  expect(table.all()).toEqual([]);
});
