import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Page, PauseView, RunStarted, TestMade } from "@penguiflow/playground/protocol";
import { expect, test, vi } from "vitest";
import { DevProject } from "./dev-project.ts";

/** Runs a flow to its end, and returns the run's id. Questions are answered. */
async function run(project: DevProject, flow: string, input: unknown, answer?: unknown): Promise<string> {
  const { runId } = (await project.api<RunStarted>("POST", `/flows/${flow}/runs`, { input })).body;
  if (answer !== undefined) {
    await project.follow(flow, runId, (item) => "pauses" in item && item.pauses.length > 0);
    const [pause] = (await project.api<Page<PauseView>>("GET", `/pauses?run=${runId}`)).body.items;
    await project.api("POST", `/pauses/${pause!.id}`, { value: answer });
  }
  await project.follow(flow, runId);
  return runId;
}

const make = async (project: DevProject, flow: string, id: string, body: object = {}) =>
  (await project.api<TestMade>("POST", `/runs/${flow}/${id}/test`, body)).body;

// each starts several processes, which a busy machine takes its time for
vi.setConfig({ testTimeout: 120_000 });

test("a run with retries becomes a test that passes, fails with another flow, and asks no service", async () => {
  await using project = await DevProject.start({}, "flow");
  for (const city of ["Oslo", "Bergen"]) await run(project, "weather", { city });
  const id = await run(project, "weather", { city: "Tromsø" });
  const made = await make(project, "weather", id);
  expect(made.proof).toMatchObject({ passes: true, failsWhenBroken: true });
  expect(made).toMatchObject({ runner: "node:test", replayed: [{ node: "look", why: "reads" }], isWritten: false });
  expect(made.text).toContain('{ node: "look", type: "throw", error: new Error("503 from the weather service") }');
  expect(made.text).toContain('"Tromsø: 6 °C"');
  const file = path.join(project.scratch.folder, made.path);
  expect(existsSync(file)).toBe(false);
  const written = await make(project, "weather", id, { write: true });
  expect([written.isWritten, readFileSync(file, "utf8")]).toEqual([true, made.text]);
  expect(await project.refusal("POST", `/runs/weather/${id}/test`, { write: true })).toBe("FILE_EXISTS");
});

test("a run with an answer of a person, in a runner of the project's choice", async () => {
  await using project = await DevProject.start({
    "package.json": '{ "name": "scratch", "type": "module", "devDependencies": { "vitest": "5.1.0" } }',
    // the packages of this repository are links to sources, which vitest would take for the project's own
    "vitest.config.ts": `export default {
      resolve: { conditions: ["@penguiflow/source"] },
      ssr: { resolve: { conditions: ["@penguiflow/source", "node", "module", "default"] } },
      test: { server: { deps: { external: [/packages\\/core/] } } },
    };`,
    "src/flows.ts": `
      import { create, payloadNode } from "penguiflow";
      const ask = payloadNode("ask", async (sum: number, ctx) => {
        const answer = await ctx.pause<string>({ reason: "who pays?" });
        return { sum, answer, since: new Date(sum) };
      });
      const tell = payloadNode("tell", ({ answer, sum, since }: { answer: string; sum: number; since: Date }) => \`\${answer} pays \${sum + since.getTime()}\`);
      export const flows = [create(ask.to(tell), { name: "asks" })];`,
  });
  const made = await make(project, "asks", await run(project, "asks", 50, "Kari"));
  expect(made.text).toContain('for (const answer of ["Kari"])');
  expect(made.proof).toMatchObject({ passes: true, failsWhenBroken: true });
  expect(made).toMatchObject({
    runner: "vitest",
    path: expect.stringMatching(/^test\/asks-\w{8}\.test\.ts$/) as string,
  });
});

test("a planner's run: its model is a script, its tools give what they gave, a person's answer is given again", async () => {
  await using project = await DevProject.start({}, "react");
  const id = await run(project, "support", "Refund order 4471", { approved: true });
  const made = await make(project, "support", id);
  expect(made.replayed.map(({ node }) => node)).toEqual(["model", "find_order", "refund"]);
  expect(made.proof.output).not.toContain("not ok");
  expect(made.proof).toMatchObject({ passes: true, failsWhenBroken: true });
});

test("a run that has not ended, and one that was begun elsewhere and is not whole, become none", async () => {
  await using project = await DevProject.start({
    "src/flows.ts": `
      import { create, payloadNode } from "penguiflow";
      export const flow = create(payloadNode("wait", (_: string, ctx) => ctx.sleep(60_000)).to(), { name: "waits" });`,
  });
  const { runId } = (await project.api<RunStarted>("POST", "/flows/waits/runs", { input: "x" })).body;
  expect(await project.refusal("POST", `/runs/waits/${runId}/test`, {})).toBe("RUN_NOT_WHOLE");
  expect(await project.refusal("POST", `/runs/waits/${runId}/test`, { runner: "jest" })).toBe("INPUT_MALFORMED");
});
