import assert from "node:assert/strict";
import { test } from "node:test";
import { flow, type Resources } from "../src/flows.ts";

test("a request that fails twice is asked a third time", async () => {
  let asked = 0;
  const ask: Resources["ask"] = async (city) => {
    asked += 1;
    if (asked < 3) throw new Error("503");
    return { city, celsius: 4 };
  };
  await using running = flow.start({ resources: { ask } });
  assert.equal(await running.call({ city: " Bergen " }), "Bergen: 4 °C");
  assert.equal(asked, 3);
});

test("a request without a city fails and names what it needs", async () => {
  await using running = flow.start({ resources: { ask: async (city: string) => ({ city, celsius: 0 }) } });
  await assert.rejects(running.call({ city: "" }), /needs a city/);
});
