import { describe, expect, test } from "vitest";
import { MemoryCheckpointStore } from "penguiflow";
import { durable } from "penguiflow/durable";
import { createPlanner, denyTools, searchable, toolsFrom, type ToolSource } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { outputs, reads, running, writes } from "../fixtures.ts";

const shop = toolsFrom("shop", [
  reads("orders", undefined, { description: "Lists the orders of a customer" }),
  reads("createInvoice", undefined, { description: "Makes the invoice of an order" }),
  reads("weather", undefined, { description: "Forecast for a place" }),
]);

const find = (query: string) => ({ calls: [{ tool: "shop_find_tools", args: { query } }] });

/** A source whose list is asked for anew in each step. */
const listed: ToolSource = { name: "shop", list: () => Promise.resolve(shop.tools ?? []) };

function made(script: Parameters<typeof scriptedModel>[0], options: object = {}) {
  const model = scriptedModel(script);
  const planner = running(createPlanner({ name: "p", model, tools: [searchable(shop)], ...options }));
  return { planner, seen: () => model.calls.map(({ tools = [] }) => tools.map(({ name }) => name)) };
}

describe("a searchable source", () => {
  test.for([
    ["that never changes", shop],
    ["that is listed anew in each step", listed],
  ] as const)("%s shows its tools from the step after a search on", async ([, source]) => {
    const { planner, seen } = made(
      [find("an invoice, please"), { calls: [{ tool: "shop_createInvoice", args: { text: "4471" } }] }, "Done"],
      { tools: [searchable(source)] },
    );
    const end = await planner.run("?");
    expect(end.status).toBe("completed");
    expect(seen()).toEqual([
      ["shop_find_tools"],
      ["shop_createInvoice", "shop_find_tools"],
      ["shop_createInvoice", "shop_find_tools"],
    ]);
    expect(outputs(end)).toEqual([
      { kind: "json", value: [{ name: "shop_createInvoice", description: "Makes the invoice of an order" }] },
      { kind: "text", text: "createInvoice: 4471" },
    ]);
  });

  test("gives the best of its tools first, and no more than asked for", async () => {
    const { planner } = made([find("invoice of orders"), "Done"], { tools: [searchable(shop, { results: 1 })] });
    expect(outputs(await planner.run("?"))).toEqual([
      { kind: "json", value: [{ name: "shop_createInvoice", description: "Makes the invoice of an order" }] },
    ]);
  });

  test("says that nothing fits, and checks what it is asked", async () => {
    const { planner } = made([find("penguins"), find(" ... "), "Done"]);
    const [none, empty] = outputs(await planner.run("?"));
    expect(none).toEqual({ kind: "text", text: "No tool fits: try other words" });
    expect(empty).toMatchObject({ kind: "error", code: "ARGUMENTS_INVALID" });
  });

  test("shows some of its tools always", async () => {
    const { planner, seen } = made(["Done"], { tools: [searchable(shop, { always: ["orders"] })] });
    await planner.run("?");
    expect(seen()).toEqual([["shop_orders", "shop_find_tools"]]);
  });

  test("shows what a run has found to that run alone", async () => {
    const { planner, seen } = made([find("orders"), "Done", "Done"]);
    await planner.run("?");
    await planner.run("?");
    expect(seen().map((names) => names.length)).toEqual([1, 3, 1]);
  });

  test("finds nothing that a policy hides", async () => {
    const { planner, seen } = made([find("orders"), "Done"], { policy: [denyTools(["shop_orders"])] });
    expect(outputs(await planner.run("?"))).toEqual([
      { kind: "json", value: [{ name: "shop_createInvoice", description: "Makes the invoice of an order" }] },
    ]);
    expect(seen().at(-1)).toEqual(["shop_createInvoice", "shop_find_tools"]);
  });

  test("keeps what was found over a restart, while a question is open", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const pay = writes("pay", [], { approval: true, description: "Pays an invoice" });
    const source = searchable(toolsFrom("shop", [pay]));
    const options = { name: "p", tools: [source], flow: { durability: durable({ checkpoints }) } };
    const first = scriptedModel([find("pay"), { calls: [{ tool: "shop_pay", args: { text: "4471" } }] }]);
    const before = createPlanner({ ...options, model: first }).start();
    const paused = await before.run("?");
    await before.flow.stop();
    const model = scriptedModel(["Done"]);
    const after = running(createPlanner({ ...options, model }));
    if (paused.status !== "paused") throw new Error(`expected a question: got ${paused.status}`);
    const end = await after.resume(paused.questions[0]!.token, { approved: true }, { tenant: "default", by: "ada" });
    expect(end.status).toBe("completed");
    expect(model.calls.map(({ tools = [] }) => tools.map(({ name }) => name))).toEqual([
      ["shop_pay", "shop_find_tools"],
    ]);
  });

  test("refuses options that it cannot use, by name", () => {
    expect(() => searchable(shop, { results: 0 })).toThrow('"results" of searchable source "shop"');
    expect(() => searchable(shop, { always: ["refund"] })).toThrow('names "refund", which it does not have');
    expect(() => searchable(shop, { limit: 3 } as never)).toThrow('"limit"');
  });
});
