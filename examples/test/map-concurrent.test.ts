import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { main } from "../map-concurrent/main.ts";
import { quietly } from "./quietly.ts";

test("hashes all files in their order, four at once", async () => {
  const { hashes, mostAtOnce } = await quietly(() => main("docs/guides/*.md"));
  expect(mostAtOnce).toBe(4);
  expect(hashes.length).toBeGreaterThan(10);
  expect(hashes.map(({ file }) => file)).toEqual(hashes.map(({ file }) => file).toSorted());
  for (const { file, sha256 } of hashes) {
    const bytes = await readFile(new URL(`../../${file}`, import.meta.url));
    expect(sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
  }
});
