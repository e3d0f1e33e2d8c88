import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { main } from "../controller-multihop/main.ts";
import { quietly } from "./quietly.ts";

const textOf = (page: string) => readFile(new URL(`../../${page}`, import.meta.url), "utf8");

test("finds the page over several hops and tells a way that exists", async () => {
  const outcome = await quietly(() => main("TRACE_UNWINDING"));
  if (outcome.status !== "completed") throw outcome.error;
  const way = outcome.result.citations;
  expect(way.length).toBeGreaterThan(1);
  expect(await textOf(way.at(-1) ?? "")).toContain("TRACE_UNWINDING");
  for (const [position, page] of way.slice(0, -1).entries()) {
    const text = await textOf(page);
    expect(text).not.toContain("TRACE_UNWINDING");
    expect(text).toContain((way[position + 1] ?? "").split("/").at(-1));
  }
});

test("is exhausted when its hops are used up before", async () => {
  const outcome = await quietly(() => main("TRACE_UNWINDING", 1));
  expect(outcome).toMatchObject({ status: "exhausted", error: { code: "HOP_BUDGET_EXHAUSTED" } });
});

test("ends without an answer when every page was read", async () => {
  const outcome = await quietly(() => main("zebras", 50));
  expect(outcome).toMatchObject({ status: "completed", result: { text: `No page says "zebras"`, citations: [] } });
});
