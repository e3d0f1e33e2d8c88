import { expect, test } from "vitest";
import { quietly } from "../../test/quietly.ts";
import { main } from "../main.ts";

test("two processes: words come as they are said, and a cancel stops the work on the other side", async () => {
  const { answer, chunks, before, stoppedAfterMs } = await quietly(main);
  expect(answer).toMatch(/^"tenant" stands \d+ times on \d+ pages$/);
  expect(chunks).toBe(Number(/on (\d+) pages/.exec(answer ?? "")?.[1]));
  expect(before).toBeGreaterThanOrEqual(3);
  expect(before).toBeLessThan(chunks);
  expect(stoppedAfterMs).toBeLessThan(1_000);
});
