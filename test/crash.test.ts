// Runs the program of `npm run crash` for a few kills: it must find nothing without a defect, and the planted one with
// it.
import { expect, test } from "vitest";
import { crash } from "./crash-program.ts";

test("a flow that is killed again and again finishes what it accepted, once", { timeout: 120_000 }, async () => {
  const { status, output } = await crash();
  expect(output).toContain("All is well");
  expect(status).toBe(0);
});

test("what is released before it is stored is found to be lost", { timeout: 120_000 }, async () => {
  const { status, output } = await crash("--defect", "released-early");
  expect(output).toMatch(/^Job \d+ was accepted and lost/m);
  expect(status).toBe(1);
});

test("what is stored without its entries is found to be done twice", { timeout: 120_000 }, async () => {
  // an effect repeats only after a kill at some moments; a message whose entry was lost is counted again after any kill
  const { status, output } = await crash("--defect", "lost-entries", "--kills", "40");
  expect(output).toMatch(/was performed twice|: delivered twice/);
  expect(status).toBe(1);
});

test.for([
  ["signals that are not stored", "lost-signals", 40, /^Job \d+ was sent signal \d+, which is lost/m],
  ["outcomes of given ids that are not stored", "lost-outcomes", 40, /Id \d+ was accepted and has taken another input/],
  ["positions that are not stored", "lost-positions", 20, /^Item \d+ was (accepted \d+ times|delivered again)/m],
  ["outcomes removed before their delivery", "lost-deliveries", 20, /^Item \d+ was taken and lost: its outcome was/m],
  [
    "outcomes kept after their delivery",
    "repeated-deliveries",
    30,
    /^Item \d+ was delivered again in life \d+, after/m,
  ],
  ["exclusive keys that are not stored", "lost-keys", 30, /^Jobs \d+ and \d+ have run at once in life \d+/m],
  ["retries sooner than a failure has said", "early-retries", 40, /^Job \d+ was tried again in life \d+, .* sooner/m],
  ["traces that do not come back into memory", "lost-rests", 20, /the pause was answered already|traces do not end/],
  ["a limiter that lets more handlers run", "loose-limits", 20, /The limiter lets jobs \d+ and \d+ of tenant/],
  ["a policy that looks at no message", "blind-policies", 30, /^Job \d+ with \d+ failures and \d+ retries has/m],
] as const)("%s: the planted defect is found", { timeout: 120_000 }, async ([, defect, kills, says]) => {
  const { status, output } = await crash("--defect", defect, "--kills", String(kills));
  expect(output).toMatch(says);
  expect(status).toBe(1);
});

test("an option that it does not know is refused", { timeout: 120_000 }, async () => {
  const { status, output } = await crash("--defect", "none");
  expect(output).toMatch(/Option "--defect" must be one of "released-early", .*"blind-policies": got "none"/);
  expect(status).toBe(2);
});
