// Measures the compile-time cost of a program: the type instantiations that connecting twenty nodes adds to the nodes
// alone, and a planner of three tools to its schemas.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { bin, conclude, run, scratchFolder } from "./workspace.ts";

const problems: string[] = [];
const scratch = scratchFolder("instantiations");

async function instantiationsOf(fixture: string): Promise<number> {
  const config = {
    extends: "../../tsconfig.base.json",
    compilerOptions: { noEmit: true, skipLibCheck: true, customConditions: ["@penguiflow/source"] },
    files: [`../../test/instantiations/${fixture}.ts`],
  };
  const file = path.join(scratch, `${fixture}.json`);
  writeFileSync(file, JSON.stringify(config));
  // One thread: each further checker thread repeats some of the work and would inflate the count.
  const result = await run(bin("tsc"), [
    "--project",
    file,
    "--extendedDiagnostics",
    "--singleThreaded",
    "--pretty",
    "false",
  ]);
  const count = /^Instantiations:\s+(\d+)/m.exec(result.output)?.[1];
  if (result.status !== 0 || count === undefined) problems.push(`Cannot measure "${fixture}":\n${result.output}`);
  return Number(count);
}

/** Measures what a fixture adds to another; returns the figure. */
async function added(what: string, fixture: string, base: string, limit: number): Promise<string> {
  const before = await instantiationsOf(base);
  const count = (await instantiationsOf(fixture)) - before;
  const figure = `${what} ${count} instantiations to ${before}; the limit is ${limit}`;
  if (count >= limit) problems.push(figure);
  return figure;
}

const graph = await added("20 nodes, connected, add", "graph", "nodes", 5_000);
const planner = await added("a planner of 3 tools adds", "planner", "schemas", 6_000);
conclude(problems, `${graph}; ${planner}`);
