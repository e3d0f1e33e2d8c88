import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { createFlow, main } from "../quickstart/main.ts";
import { quietly } from "./quietly.ts";

test("describes real pages and refuses what is none", async () => {
  const { descriptions, refused } = await quietly(main);
  const license = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const words = Array.from(license.matchAll(/\p{L}+/gu)).length;
  expect(descriptions).toHaveLength(3);
  expect(descriptions[0]).toContain(`README.md: ${words} words`);
  expect(refused).toMatchObject({ status: "failed", error: { code: "INPUT_INVALID", node: "read" } });
});

test("fails with the cause when a page is missing", async () => {
  await using flow = createFlow();
  flow.run();
  const outcome = await flow.outcome("missing.md");
  expect(outcome).toMatchObject({ status: "failed", error: { code: "NODE_EXCEPTION", cause: { code: "ENOENT" } } });
});
