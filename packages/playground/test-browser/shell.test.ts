import { expect, test } from "vitest";
import type { Overlay } from "../src/protocol.ts";
import { startScriptedServer, TOKEN } from "../test/scripted-server/server.ts";
import { see, useStages } from "./stage.ts";

const stage = useStages();

const overlay: Overlay = {
  at: 1,
  code: "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX",
  message: "enum is not supported in strip-only mode",
  hint: "Node strips types: write a const object instead, and set erasableSyntaxOnly in tsconfig.json",
  place: { file: "src/tools.ts", line: 12, column: 1 },
  frame: { first: 10, lines: ["import { z } from 'zod';", "", "enum Size { Small }", "", "export const tools = [];"] },
  causes: [],
  hasGoodCode: true,
};

test("the token is traded for a cookie, and taken off the address", async () => {
  const { page, context, server } = await stage();
  await context.clearCookies();
  await page.goto("about:blank");
  await page.goto(`${server.origin}/#token=${TOKEN}`);
  await page.locator('[data-state="live"]').waitFor();
  expect(new URL(page.url()).hash).toBe("");
  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict" });
  expect(await page.evaluate("localStorage.length")).toBe(1);
});

test("a browser without a session is told what to open", async () => {
  const { server, context } = await stage();
  await context.clearCookies();
  const page = await context.newPage();
  await page.goto(`${server.origin}/runs`);
  await see(page, "penguiflow dev does not know this browser");
  await see(page, "#token=…");
  expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Signed out");
});

test("⌘K goes to anything by its name: a screen, a flow, a thread", async () => {
  const { page, say } = await stage();
  await say("Where do penguins live?");
  await see(page, "I can tell you where an order is");
  const thread = page.url();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("lint");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Lint", level: 1 }).waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("penguins live");
  await page.getByRole("option", { name: /^Where do penguins live.*thread/ }).waitFor();
  await page.keyboard.press("Enter");
  await expect.poll(() => page.url()).toBe(thread);
});

test("sections are reached with g and a letter, and ? lists the keys; none works while a person types", async () => {
  const { page } = await stage();
  await page.getByRole("textbox").fill("");
  await page.keyboard.type("ga");
  expect(await page.getByRole("textbox").inputValue()).toBe("ga");
  await page.getByRole("link", { name: "Tools" }).focus();
  await page.keyboard.press("g");
  await page.keyboard.press("a");
  await page.getByRole("heading", { name: "Approvals", level: 1 }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).getByText("Go to Runs").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog", { name: "Keys" }).waitFor({ state: "hidden" });
});

test("the theme follows the system first, then the choice, which outlasts a reload", async () => {
  const { page } = await stage({ theme: "dark" });
  const background = (): Promise<string> => page.evaluate("getComputedStyle(document.documentElement).backgroundColor");
  expect(await background()).toBe("rgb(12, 17, 23)");
  await page.getByRole("button", { name: "Theme: system" }).click();
  expect(await background()).toBe("rgb(244, 246, 248)");
  await page.reload();
  await page.getByRole("button", { name: "Theme: light" }).waitFor();
  expect(await background()).toBe("rgb(244, 246, 248)");
});

test("code that does not load is shown with its place; it folds, opens in the editor, and goes away with the repair", async () => {
  const { page, server } = await stage();
  server.world.breakCode(overlay);
  await see(page, "enum is not supported in strip-only mode");
  await see(page, "The last code that loaded goes on meanwhile");
  await page.getByRole("button", { name: "Open in the editor" }).click();
  await expect.poll(() => server.world.opened).toEqual([{ file: "src/tools.ts", line: 12 }]);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "The code does not load: src/tools.ts:12" }).waitFor();
  await page.reload();
  await see(page, "enum is not supported in strip-only mode");
  server.world.repairCode();
  await page.locator(".overlay").waitFor({ state: "detached" });
  await see(page, /reloaded in 231/);
});

test("a server that is gone and comes back is joined again", async () => {
  const { page, server } = await stage();
  const port = Number(new URL(server.origin).port);
  await server.stop();
  await see(page, "Reconnecting");
  const folder = server.folder;
  const again = await startScriptedServer({ folder, port, pace: 0.05 });
  try {
    await page.locator('[data-state="live"]').waitFor({ timeout: 30_000 });
    expect(await page.getByText("Reconnecting").count()).toBe(0);
  } finally {
    await again.stop();
  }
});

test("an address that leads nowhere says so, and Back returns", async () => {
  const { page, open } = await stage();
  await open("/tools");
  await open("/nowhere/at/all");
  await see(page, "There is no such page");
  await page.getByRole("link", { name: "Runs" }).first().click();
  await page.getByRole("heading", { name: "Runs", level: 1 }).waitFor();
  await page.goBack();
  await see(page, "There is no such page");
  expect(new URL(page.url()).pathname).toBe("/nowhere/at/all");
});
