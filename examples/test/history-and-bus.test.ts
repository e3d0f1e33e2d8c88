import { expect, test } from "vitest";
import { main } from "../history-and-bus/main.ts";
import { quietly } from "./quietly.ts";

test("keeps each tenant's histories and publishes what went over the edge", async () => {
  const { histories, ordered } = await quietly(main);
  expect(histories["o-1"]).toEqual([
    ...["trace_start", "check node_start", "check node_success"],
    ...["number node_start", "number node_success", "trace_end"],
  ]);
  expect(histories["o-2"]).toEqual([
    ...["trace_start", "check node_start", "check node_error", "check node_failed", "trace_end"],
  ]);
  expect(ordered).toEqual([{ traceId: "o-1", item: "ice axe", cents: 8_900 }]);
});
