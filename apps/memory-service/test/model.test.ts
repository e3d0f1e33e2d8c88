import { hashEmbedder } from "@penguiflow/memory-service";
import { expect, test } from "vitest";
import { DOORS, playHistories } from "./model/play-histories.ts";
import { ownFolder } from "./own-memory.ts";

const timeout = 600_000;

test.for(Object.keys(DOORS))(
  "M1–M6, M9: some order of overlapping requests explains every answer, over %s, in memory",
  { timeout },
  async (door) => {
    await expect(playHistories(door, { histories: 16 })).resolves.toBeUndefined();
  },
);

test.for(Object.keys(DOORS))(
  "M1–M6, M9: some order of overlapping requests explains every answer, over %s, on SQLite files that close and open",
  { timeout },
  async (door) => {
    const options = { directory: ownFolder(), limits: { openFiles: 2 }, histories: 8 };
    await expect(playHistories(door, options)).resolves.toBeUndefined();
  },
);

test("M2, M5: vectors show nobody more than words do", { timeout }, async () => {
  await expect(playHistories("library", { embedder: hashEmbedder(64), histories: 16 })).resolves.toBeUndefined();
});
