// Answers of the server about runs that follow no script: each has the steps of one support run.
import type { ServerResponse } from "node:http";
import type { NewSimulation, RunAgain, RunSummary, SimulationItem, TestMade } from "../../src/protocol.ts";
import { eventsOf, messagesOf, modelCallsOf, supportRun } from "../load/support-run.ts";
import { Refusal } from "./refusal.ts";
import type { World } from "./world.ts";

/** Answers a request about a generated run. */
export function generatedRun(
  world: World,
  id: string,
  part: string | undefined,
  query: URLSearchParams,
  body: unknown,
) {
  const known = world.generated.find((run) => run.id === id);
  const run = supportRun(id, known?.startedAt ?? world.now() - 5_000, known?.state ?? "completed");
  switch (part) {
    case undefined:
      return run;
    case "events":
      return { items: eventsOf(run) };
    case "messages":
      return messagesOf(run, query.get("step") ?? run.steps[0]!.id);
    case "model":
      return modelCallsOf(run);
    case "cancel":
      return { stopped: 3, givenUp: 0, dropped: 2 };
    case "again":
      return again(body as RunAgain);
    case "test":
      return testMade(body as { write?: boolean; runForReal?: readonly string[] });
    default:
      throw new Refusal("ROUTE_UNKNOWN", `There is no route ${part} of a run`);
  }
}

function again({ from, allowWrites }: RunAgain): { readonly runId: string } {
  if (from !== undefined && allowWrites !== true) {
    throw new Refusal("WRITES_UNCONFIRMED", 'Node "refund" writes: confirm that it may run', { nodes: ["refund"] });
  }
  return { runId: "run-again" };
}

/** Compares two runs: the second has no failed attempt, and another message. */
export function compareView(world: World) {
  const [a, b] = [supportRun("run-3001f0ec", world.now() - 60_000), supportRun("run-again", world.now() - 5_000)];
  const rows = a.steps.map((step, row) => ({
    node: step.node,
    a: step,
    ...(row !== 2 && { b: b.steps[row]! }),
    differs: row === 2 ? ["path"] : row === 4 ? ["payload"] : [],
  }));
  return { a, b, rows, first: { row: 2, kind: "path", text: "The second run has no failed attempt at orders" } };
}

/** Filters and pages as the server does: two hundred a page. */
export function pageOfRuns(runs: readonly RunSummary[], query: URLSearchParams) {
  const size = Number(query.get("limit") ?? 200);
  const wanted = runs.filter(
    (run) =>
      (["flow", "state", "tenant"] as const).every((key) => !query.has(key) || query.get(key) === run[key]) &&
      (!query.has("code") || run.error?.code === query.get("code")) &&
      (!query.has("node") || run.error?.node === query.get("node")) &&
      (!query.has("q") ||
        `${run.input} ${run.output} ${run.error?.message}`.toLowerCase().includes(query.get("q")!.toLowerCase())),
  );
  const start = Number(query.get("cursor") ?? 0);
  const next = start + size < wanted.length ? { next: String(start + size) } : {};
  return { items: wanted.slice(start, start + size), ...next };
}

/** Streams the seeds of a simulation: one of 97 fails, one of five has a fault. */
export function simulate(response: ServerResponse, { seeds = 100, from = 1 }: NewSimulation): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const tell = (item: SimulationItem): unknown =>
    response.write(`event: ${item.type}\ndata: ${JSON.stringify(item)}\n\n`);
  tell({ type: "start", id: "s1", file: "src/shop.sim.ts", seeds });
  let failed = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const isGood = seed % 97 !== 0;
    if (!isGood) failed++;
    const run = { flow: "support", id: `seed-${seed}` };
    const faults = seed % 5 === 0 ? ["the shop is away"] : [];
    tell({ type: "seed", seed, isGood, faults, ...(!isGood && { message: "The order was refunded twice", run }) });
  }
  tell({ type: "end", failed, never: ["the clock jumps"] });
  response.end();
}

function testMade({ write, runForReal = [] }: { write?: boolean; runForReal?: readonly string[] }): TestMade {
  const replayed = [
    { node: "orders", why: "it reads: gives what it gave, the failed attempt included" },
    { node: "policies", why: "it reads: gives what it gave" },
    { node: "refund", why: "it writes: gives what it gave" },
  ].filter(({ node }) => !runForReal.includes(node));
  return {
    path: "test/support-run-3001f0ec.test.ts",
    runner: "vitest",
    text: `import { expect, test } from "vitest";\nimport { faultPlan, runOne } from "penguiflow/testing";\nimport { support } from "../src/flows.ts";\n\ntest("support answers as in run-3001f0ec", async () => {\n  const outcome = await runOne(support, { text: "Where is order 4471?" });\n  expect(outcome.status).toBe("completed");\n});\n`,
    replayed,
    proof: { passes: true, failsWhenBroken: true, output: "1 passed" },
    isWritten: write === true,
  };
}
