import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { main } from "../routing-predicate/main.ts";
import { quietly } from "./quietly.ts";

test("sends each file where it belongs: to one node, to two, or nowhere", async () => {
  const manifest = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  const { "vitest.config.ts": config = [], ...others } = await quietly(main);
  expect(others).toEqual({
    "README.md": [expect.stringMatching(/^[1-9]\d* headings$/)],
    "package.json": [`${Object.keys(JSON.parse(manifest) as object).length} keys`],
    LICENSE: [],
  });
  expect(config.map((line) => line.replace(/^[1-9]\d* /, "")).toSorted()).toEqual(["comments", "imports"]);
});
