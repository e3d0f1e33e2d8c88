// The way of a newcomer over the real development server and a real project: two messages, an approval with other
// arguments, a reload, code that does not load and its repair.
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, inject, test } from "vitest";
import { DevProject } from "../../cli/test/dev/dev-project.ts";
import { openPage, useBrowser } from "./browser.ts";
import { see } from "./stage.ts";

const browser = useBrowser();

test("a new project answers twice, asks before it writes, and goes on over a reload and a save that does not load", async () => {
  await using project = await DevProject.start({}, "react", { pages: inject("pages") });
  const { page, context } = await openPage(browser(), project.server.origin);
  await page.goto(project.server.url);
  const box = page.getByRole("textbox", { name: "Message support" });
  await page.locator('[data-state="live"]').waitFor();
  await box.fill("Where is order 4471?");
  await page.keyboard.press("Enter");
  await see(page, "Order 4471 is on its way");
  await expect.poll(() => box.isEnabled()).toBe(true);
  await box.fill("I want my money back, refund order 4471");
  await page.keyboard.press("Enter");
  await page.getByLabel("euros").waitFor();

  await page.reload();
  await page.getByLabel("euros").fill("20");
  await page.getByRole("button", { name: "Approve with changes" }).click();
  await page.locator(".approval").waitFor({ state: "detached" });
  await page.getByText("refund", { exact: true }).click();
  await see(page, "20.00 € are paid back for order 4471");

  const tools = readFileSync(path.join(project.scratch.folder, "src/tools.ts"), "utf8");
  project.scratch.write({ "src/tools.ts": `enum Size { Small }\n${tools}` });
  await see(page, "The code does not load");
  await see(page, "The last code that loaded goes on meanwhile");
  project.scratch.write({ "src/tools.ts": tools });
  await page.locator(".overlay").waitFor({ state: "detached" });
  await box.fill("Where is order 4472?");
  await page.keyboard.press("Enter");
  await see(page, "Order 4472 is delivered");
  expect(await page.locator(".turn").count()).toBe(3);
  await context.close();
});
