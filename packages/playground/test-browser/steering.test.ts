// Steering, stopping and holding over the real development server and a real planner, whose model answers when a gate
// opens: a step lasts as long as the story needs.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, inject, test } from "vitest";
import { DevProject } from "../../cli/test/dev/dev-project.ts";
import { openPage, useBrowser } from "./browser.ts";
import { see } from "./stage.ts";

const browser = useBrowser();

/** Code of a planner whose tool waits for a file, and whose model repeats what it was told meanwhile. */
const CODE = `
import { existsSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { createPlanner, tool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { z } from "zod";

const search = tool({
  name: "search",
  description: "Searches for as long as there is no gate",
  input: z.object({ gate: z.string() }),
  effects: "reads",
  timeoutMs: 600_000,
  run: async ({ gate }, { signal }) => {
    while (!existsSync(gate)) await setTimeout(20, undefined, { signal });
    return "found";
  },
});
const textsOf = (prompt) =>
  prompt.filter(({ role }) => role === "user").flatMap(({ content }) => content.map(({ text = "" }) => text));
const model = scriptedModel(({ prompt }) => {
  const texts = textsOf(prompt);
  const searches = prompt.filter(({ role }) => role === "tool").length;
  const wanted = texts.join(" ").includes("twice") ? 2 : 1;
  if (searches < wanted) return { calls: [{ tool: "search", args: { gate: \`gate-\${searches + 1}\` } }] };
  return \`I was told: \${texts.join(" | ")}\`;
});
export const agent = createPlanner({ name: "finder", model, tools: [search] });
`;

/** Opens the pages over the planner. */
async function openStory() {
  const project = await DevProject.start({ "src/agent.ts": CODE }, undefined, { pages: inject("pages") });
  const { page, context, complaints } = await openPage(browser(), project.server.origin);
  await page.goto(project.server.url);
  await page.locator('[data-state="live"]').waitFor();
  const say = async (words: string): Promise<void> => {
    await page.getByRole("textbox", { name: /^(Message|Steer)/ }).fill(words);
    await page.keyboard.press("Enter");
  };
  return {
    project,
    page,
    complaints,
    say,
    open: (gate: number) => writeFileSync(path.join(project.scratch.folder, `gate-${gate}`), ""),
    async [Symbol.asyncDispose]() {
      await context.close();
      await project[Symbol.asyncDispose]();
    },
  };
}

/** Opens a thread of the planner, sends its first message, and waits for its first call. */
async function begin(text: string) {
  const story = await openStory();
  await story.say(text);
  await story.page.getByRole("textbox", { name: "Steer the run" }).waitFor();
  await see(story.page, "search");
  return story;
}

test("messages during a planner's run are queued, and marked when the model's next call has read them", async () => {
  await using story = await begin("Look twice");
  const { page, say, open, complaints } = story;
  await say("The red one");
  await see(page, "queued, not read yet");
  await page.reload();
  await see(page, "The red one");
  await see(page, "queued, not read yet");
  await say("And the blue one");
  await expect.poll(() => page.getByText("queued, not read yet").count()).toBe(2);
  open(1);
  await expect.poll(() => page.getByText("queued, not read yet").count()).toBe(0);
  expect(await page.locator(".steer").count()).toBe(2);
  await say("Quick");
  await see(page, "queued, not read yet");
  open(2);
  await see(page, "I was told: Look twice | The red one | And the blue one | Quick");
  await page.getByRole("textbox", { name: "Message finder" }).waitFor();
  expect(await page.locator(".steer").count()).toBe(3);
  expect(complaints).toEqual([]);
});

test("a planner's run is stopped within a tool, what was queued is told as not read, and the thread goes on", async () => {
  await using story = await begin("Look");
  const { page, say, open } = story;
  await say("Never mind");
  await see(page, "queued, not read yet");
  await page.keyboard.press("Escape");
  await see(page, /Stopped: \d+ handlers? stopped, 0 given up/);
  await page.getByRole("textbox", { name: "Message finder" }).waitFor();
  expect(await page.getByText("queued, not read yet").count()).toBe(0);
  await see(page, "not read: the run had ended");
  open(1);
  await say("Look again");
  await see(page, "I was told: Look again");
  expect(await page.locator(".turn").count()).toBe(2);
});

test("a message at a held entry says so in its thread and on its run's page, where it is let go", async () => {
  await using story = await openStory();
  const { project, page, say, open, complaints } = story;
  await project.api("POST", "/flows/finder/entry", { isHeld: true });
  await say("Look");
  await see(page, "Held: it waits at the entry of");
  await page.locator(".answer-run").click();
  await see(page, "Its message waits");
  await page.getByRole("button", { name: "Let it go" }).click();
  await page.getByRole("button", { name: "Let it go" }).waitFor({ state: "detached" });
  open(1);
  await page.getByText("completed", { exact: true }).first().waitFor();
  await page.goto(`${project.server.origin}/flows/finder`);
  await see(page, "0 messages wait");
  expect(complaints).toEqual([]);
});
