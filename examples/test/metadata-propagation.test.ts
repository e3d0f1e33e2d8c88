import { expect, test } from "vitest";
import { createFlow, main } from "../metadata-propagation/main.ts";
import { quietly } from "./quietly.ts";

test("meta goes through nodes, a retry and a playbook, each request with its own", async () => {
  const bills = await quietly(main);
  expect(Object.keys(bills)).toEqual(["hamburg", "aarhus", "boston"]);
  expect(bills["hamburg"]?.text).toMatch(/^1\.604,72\s€, of which tax 256,22\s€$/);
  expect(bills["boston"]?.text).toBe("$1,348.50, of which tax $0.00");
  expect(bills["aarhus"]?.meta).toEqual({
    ...{ region: "DK", locale: "da-DK", currency: "DKK" },
    notes: ["2 prices", "25 % at attempt 2"],
  });
});

test("an unknown region is named", async () => {
  await using flow = createFlow();
  flow.run();
  await expect(flow.call([100], { meta: { region: "XX" } })).rejects.toThrow(`Cannot tax in "XX"`);
});
