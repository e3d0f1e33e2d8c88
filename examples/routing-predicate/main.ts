// A router sends each file to the nodes that can process it: to one, to several, or to none.
//
//   npm run example examples/routing-predicate/main.ts
import { readFile } from "node:fs/promises";
import { create, type Message, payloadNode, predicateRouter } from "penguiflow";

const REPOSITORY = new URL("../../", import.meta.url);

interface Source {
  readonly file: string;
  readonly text: string;
}

const read = payloadNode(
  { name: "read", policy: { concurrency: 4, timeoutMs: 5_000 } },
  async (file: string, ctx): Promise<Source> => ({
    file,
    text: await readFile(new URL(file, REPOSITORY), { encoding: "utf8", signal: ctx.signal }),
  }),
);

// the compiler knows these names: a missing target below does not compile
const sort = predicateRouter("sort", ({ payload }: Message<Source>) => {
  if (payload.file.endsWith(".md")) return "headings";
  if (payload.file.endsWith(".json")) return "keys";
  if (payload.file.endsWith(".ts")) return ["imports", "comments"];
  return null;
});

const headings = payloadNode("headings", ({ text }: Source) => `${text.match(/^#+ /gm)?.length ?? 0} headings`);
const keys = payloadNode("keys", ({ text }: Source) => `${Object.keys(JSON.parse(text) as object).length} keys`);
const imports = payloadNode("imports", ({ text }: Source) => `${text.match(/^import /gm)?.length ?? 0} imports`);
const comments = payloadNode("comments", ({ text }: Source) => `${text.match(/^\s*\/\//gm)?.length ?? 0} comments`);

export function createFlow() {
  return create(read.to(sort), sort.to(headings, keys, imports, comments), { name: "routing-predicate" });
}

export async function main() {
  await using flow = createFlow();
  flow.run();

  const found: Record<string, readonly string[]> = {};
  for (const file of ["README.md", "package.json", "vitest.config.ts", "LICENSE"]) {
    const outcome = await flow.outcome(file, { tenant: "acme" });
    found[file] = outcome.results.toSorted();
    // an unrouted message is no failure: the outcome is "empty" and has the reason
    console.log(`${file}: ${outcome.status === "empty" ? outcome.reason : outcome.results.join(", ")}`);
  }
  return found;
}

if (import.meta.main) await main();
