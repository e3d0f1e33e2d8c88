import type { SimulationItem } from "@penguiflow/playground/protocol";
import { expect, test } from "vitest";
import { DevProject } from "./dev-project.ts";

/** Reads the items of a simulation, until a condition holds. */
async function simulated(project: DevProject, body: object, until: (item: SimulationItem) => unknown = () => false) {
  const items: SimulationItem[] = [];
  for await (const item of project.events<SimulationItem>("/simulate", body)) {
    items.push(item);
    if (await until(item)) break;
  }
  return items;
}

test("a simulation tells each seed, also those after one that breaks the flow, and the faults that never occurred", async () => {
  await using project = await DevProject.start(
    {
      "simulation/bad.sim.ts": `
        import sim from "./flows.sim.ts";
        export default { ...sim, requests: 3, check: () => { if (calls++ === 2) throw new Error("wrong result"); } };
        // the first seed is played twice
        let calls = 0;`,
    },
    "flow",
  );
  expect((await project.api("GET", "/simulate")).body).toEqual({
    files: [
      { file: "simulation/bad.sim.ts", name: "bad" },
      { file: "simulation/flows.sim.ts", name: "flows" },
    ],
  });
  const items = await simulated(project, { file: "simulation/bad.sim.ts", seeds: 4, from: 10 });
  expect(items[0]).toMatchObject({ type: "start", file: "simulation/bad.sim.ts", seeds: 4 });
  const seeds = items.filter((item) => item.type === "seed");
  expect(seeds.map(({ seed, isGood }) => [seed, isGood])).toEqual([
    [10, true],
    [11, false],
    [12, true],
    [13, true],
  ]);
  expect(seeds[1]!.message).toContain("wrong result");
  expect(items.at(-1)).toMatchObject({ type: "end", failed: 1 });
  expect(await project.refusal("POST", "/simulate", { file: "src/flows.ts" })).toBe("INPUT_INVALID");
  expect(await project.refusal("POST", "/simulate", {})).toBe("INPUT_INVALID");
});

test("a simulation is stopped", async () => {
  await using project = await DevProject.start({}, "flow");
  let id = "";
  const items = await simulated(project, { seeds: 100_000 }, async (item) => {
    if (item.type === "start") ({ id } = item);
    if (item.type === "seed" && item.seed === 1) await project.api("DELETE", `/simulate/${id}`);
  });
  expect(items.at(-1)).toMatchObject({ type: "end", error: "The simulation was stopped" });
  expect(await project.refusal("DELETE", `/simulate/${id}`)).toBe("ROUTE_UNKNOWN");
});
