// A first flow: read a page, measure it, describe it. The compiler checks the payloads on the edges; the schemas check
// them again at run time.
//
//   npm run example examples/quickstart/main.ts
import { readFile } from "node:fs/promises";
import { create, payloadNode } from "penguiflow";
import { z } from "zod";

const REPOSITORY = new URL("../../", import.meta.url);

const FileName = z.string().endsWith(".md");
const Page = z.object({ file: FileName, text: z.string() });
const Size = z.object({ file: FileName, words: z.int().nonnegative(), headings: z.int().nonnegative() });

const read = payloadNode(
  { name: "read", input: FileName, output: Page, policy: { timeoutMs: 5_000 } },
  async (file, ctx) => ({
    file,
    text: await readFile(new URL(file, REPOSITORY), { encoding: "utf8", signal: ctx.signal }),
  }),
);

const measure = payloadNode({ name: "measure", input: Page, output: Size }, ({ file, text }) => ({
  file,
  words: text.match(/\p{L}+/gu)?.length ?? 0,
  headings: text.match(/^#+ /gm)?.length ?? 0,
}));

const describe = payloadNode({ name: "describe", input: Size, output: z.string() }, ({ file, words, headings }) => {
  return `${file}: ${words} words under ${headings} headings, ${Math.ceil(words / 200)} minutes to read`;
});

export function createFlow() {
  return create(read.to(measure), measure.to(describe), { name: "quickstart" });
}

export async function main() {
  await using flow = createFlow();
  flow.run();

  const files = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];
  const descriptions = await Promise.all(files.map((file) => flow.call(file, { tenant: "acme" })));
  for (const description of descriptions) console.log(description);

  // a payload that does not fit the schema never reaches the handler
  const refused = await flow.outcome("LICENSE", { tenant: "acme" });
  if (refused.status === "failed") console.log(`${refused.error.code}: ${refused.error.message}`);
  return { descriptions, refused };
}

if (import.meta.main) await main();
