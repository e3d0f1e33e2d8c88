import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { main } from "../fanout-join/main.ts";
import { quietly } from "./quietly.ts";

test("brings the findings of all three branches together", async () => {
  const bytes = await readFile(new URL("../../LICENSE", import.meta.url));
  const found = await quietly(() => main("LICENSE"));
  expect(found).toEqual({
    size: { bytes: bytes.length, gzipped: gzipSync(bytes).length },
    words: { total: bytes.toString().match(/\p{L}+/gu)?.length, different: expect.any(Number) as number },
    hash: { sha256: createHash("sha256").update(bytes).digest("hex") },
  });
});
