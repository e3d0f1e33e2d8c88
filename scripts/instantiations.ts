// Measures the compile-time cost of a graph: the type instantiations that connecting twenty nodes adds to the nodes
// alone.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { bin, conclude, run, scratchFolder } from "./workspace.ts";

const limit = 5_000;
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

const nodes = await instantiationsOf("nodes");
const added = (await instantiationsOf("graph")) - nodes;
const figure = `20 nodes, connected, add ${added} instantiations to ${nodes}; the limit is ${limit}`;
if (added >= limit) problems.push(figure);
conclude(problems, figure);
