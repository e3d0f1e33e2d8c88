import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { useStages } from "./stage.ts";

const stage = useStages();

/** Presses Tab until an element with the name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  const focused = `(() => {
    const at = document.activeElement;
    if (!at.matches("a, button, input, select, textarea, summary")) return "";
    return (at.getAttribute("aria-label") ?? at.labels?.[0]?.innerText ?? at.innerText).trim();
  })()`;
  const passed: string[] = [];
  for (let presses = 0; presses < 80; presses++) {
    await page.keyboard.press("Tab");
    const reached = await page.evaluate<string>(focused);
    if (reached.includes(name)) return;
    passed.push(reached);
  }
  throw new Error(`Tab does not reach "${name}": it passed ${passed.join(" | ")}`);
}

test("a person without a mouse finds, reads, shares, asks and forgets", async () => {
  const { page, memory, ids } = await stage();
  await page.getByText("13 memories").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("grandmother");
  await page.getByText("best first").waitFor();
  await tabTo(page, "Grandmother’s recipe");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Who sees it" }).waitFor();
  await tabTo(page, "Share with …");
  await page.keyboard.press("Enter");
  await tabTo(page, "User");
  await page.keyboard.type("bob");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Take back from bob" }).waitFor();
  const recipe = ids[5] ?? "";
  expect((await memory.as({ tenant: "local", user: "bob" }).get(recipe)).text).toContain("two eggs");
  // the keyboard goes on where it was
  expect(await page.evaluate("document.activeElement.closest('section').innerText")).toContain("Who sees it");
  await tabTo(page, "Forget …");
  await page.keyboard.press("Enter");
  await page.getByText("The sight of 1 user").waitFor();
  // the safe way has the focus
  expect(await page.evaluate("document.activeElement.innerText")).toBe("Keep it");
  await tabTo(page, "Forget for good");
  await page.keyboard.press("Enter");
  await page.getByText("12 memories").waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("a");
  await page.getByRole("heading", { name: "Ask", level: 1 }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("gate code");
  await page.keyboard.press("Enter");
  await page.getByText("Why it is at this place").waitFor();
  await tabTo(page, "cut: limit");
  await page.keyboard.press("Enter");
  expect(await page.locator(".step-list").innerText()).toContain("Left out");
});

test("the first Tab skips the rail, the focus is seen, and no key works while a person types", async () => {
  const { page } = await stage();
  await page.getByText("13 memories").waitFor();
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.innerText")).toBe("Skip to the screen");
  await page.keyboard.press("Enter");
  expect(await page.evaluate("document.activeElement.id")).toBe("main");
  await page.keyboard.press("Tab");
  expect(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")).toBe("solid");
  await page.getByRole("searchbox").focus();
  await page.keyboard.type("gf?");
  expect(await page.getByRole("searchbox").inputValue()).toBe("gf?");
  expect(await page.locator("dialog").count()).toBe(0);
});
