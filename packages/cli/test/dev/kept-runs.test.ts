import { readFileSync } from "node:fs";
import path from "node:path";
import type { RunStarted, RunView, TestMade } from "@penguiflow/playground/protocol";
import { expect, test } from "vitest";
import { main } from "../../src/main.ts";
import { fakeIo } from "../fake-io.ts";
import { DevProject } from "./dev-project.ts";

async function penguiflow(folder: string, ...line: readonly string[]) {
  const io = fakeIo(folder, { env: { PATH: process.env["PATH"] } });
  const status = await main(line, io);
  return { status, printed: io.printed(), said: io.said() };
}

test("runs that dev has kept are shown, become tests and are pruned by commands, also while it runs", async () => {
  await using project = await DevProject.start({}, "minimal");
  const { folder } = project.scratch;
  const { runId } = (await project.api<RunStarted>("POST", "/flows/words/runs", { input: "One two." })).body;
  await project.follow("words", runId);
  const shown = await penguiflow(folder, "runs", "show", runId.slice(0, 8));
  expect(shown.status).toBe(0);
  expect(shown.printed).toMatch(
    /of words, tenant default: completed[^]*One two\.[^]*count +1 +done[^]*1 sentences, 2 words/,
  );
  const { results } = JSON.parse((await penguiflow(folder, "runs", "show", runId, "--json")).printed) as RunView;
  expect(results).toEqual(["1 sentences, 2 words"]);
  expect(await penguiflow(folder, "runs", "show", "none")).toMatchObject({
    status: 7,
    said: expect.stringContaining('no run "none"') as string,
  });

  const made = await penguiflow(folder, "test-from", runId, "-o", "test/words.test.ts", "--json");
  expect(made.status).toBe(0);
  expect(JSON.parse(made.printed) as TestMade).toMatchObject({ path: "test/words.test.ts", isWritten: true });
  expect(readFileSync(path.join(folder, "test/words.test.ts"), "utf8")).toContain('"1 sentences, 2 words"');
  expect((await penguiflow(folder, "test-from", runId, "-o", "test/words.test.ts")).status).toBe(3);

  expect((await penguiflow(folder, "runs", "prune")).printed).toBe("0 runs deleted\n");
  expect((await penguiflow(folder, "runs", "prune", "--before", "x")).status).toBe(2);
  expect((await penguiflow(folder, "runs", "prune", "--before", "0m", "--json")).printed).toBe(
    '{\n  "deleted": 1\n}\n',
  );
  expect((await penguiflow(folder, "test-from", runId)).status).toBe(7);
});

test("the tools of the planners are listed", async () => {
  await using project = await DevProject.start({}, "react");
  const { status, printed } = await penguiflow(project.scratch.folder, "tools", "list");
  expect(status).toBe(0);
  expect(printed).toMatch(/find_order +support +code +reads +never[^]*refund +support +code +writes +always/);
});

test("a project without kept runs says so", async () => {
  await using project = await DevProject.start({}, "minimal");
  expect(await penguiflow(path.join(project.scratch.folder, "src"), "runs", "show", "x")).toMatchObject({ status: 7 });
});
