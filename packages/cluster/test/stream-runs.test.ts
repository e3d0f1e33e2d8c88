import type { StreamChunk } from "penguiflow";
import { expect, test } from "vitest";
import { StreamRuns } from "../src/client/stream-runs.ts";

/** Returns what a reader gets: the numbers of the runs, and nothing for chunks that it does not get. */
function read(...chunks: readonly (readonly [stream: string, epoch: number, run: number])[]) {
  const runs = new StreamRuns();
  return chunks.map(([streamId, epoch, run]) => runs.numbered({ streamId, run } as StreamChunk, epoch)?.run);
}

test("runs of one owner keep their numbers", () => {
  expect(read(["a", 3, 0], ["a", 3, 0], ["a", 3, 1], ["b", 3, 0], ["a", 3, 4])).toEqual([0, 0, 1, 0, 4]);
  expect(read(["a", 3, 2], ["a", 3, 3])).toEqual([2, 3]);
});

test("runs of the next owner follow those of the one before, although it counts from 0 again", () => {
  expect(read(["a", 3, 0], ["a", 3, 1], ["a", 4, 0], ["a", 4, 1], ["a", 7, 2])).toEqual([0, 1, 2, 3, 6]);
});

test("a chunk of an earlier run, or of an owner that was overtaken, does not come after a later one", () => {
  expect(read(["a", 3, 1], ["a", 3, 0], ["a", 4, 0], ["a", 3, 2], ["a", 4, 0])).toEqual([
    1,
    undefined,
    2,
    undefined,
    2,
  ]);
});
