import { expect, test } from "vitest";
import { main } from "../reliability-middleware/main.ts";
import { quietly } from "./quietly.ts";

test("gets its answer at the third attempt, and does not repeat what is wrong", async () => {
  const { answer, refused, events } = await quietly(main);
  expect(answer).toBe("27 × gentoo");
  const typesOf = (traceId: string) =>
    events
      .filter((event) => event.traceId === traceId && "node" in event && event.node === "ask")
      .map(({ type }) => type);
  expect(typesOf("sighting")).toEqual([
    ...["node_start", "node_error", "node_retry"],
    ...["node_start", "node_timeout", "node_retry"],
    ...["node_start", "node_success"],
  ]);
  expect(typesOf("nonsense")).toEqual(["node_start", "node_error", "node_failed"]);
  expect(refused).toMatchObject({ status: "failed", error: { cause: { status: 404 } } });
});
