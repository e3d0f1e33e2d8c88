// Announces its plan first, then its progress, then its findings. Status goes into the stream, as chunks with data; the
// result stays a single value. Broken links are reported to observers as events of the program's own.
//
//   npm run example examples/status-updates/main.ts
import { globSync } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { type Context, create, FinalAnswer, mapConcurrent, payloadNode } from "penguiflow";

const REPOSITORY = new URL("../../", import.meta.url);
const STEPS = ["read", "collect", "check"] as const;

declare module "penguiflow" {
  interface ChunkKinds {
    "status.step": { readonly name: string; readonly state: "planned" | "begun" | "done" };
  }
  interface AppEvents {
    "app.broken_link": { readonly file: string; readonly target: string };
  }
}

interface Page {
  readonly file: string;
  readonly text: string;
}
interface Link {
  readonly file: string;
  readonly target: string;
  readonly isBroken?: boolean;
}

/** Creates a node that reports its start and its end. */
function step<const Name extends (typeof STEPS)[number], Input, Output>(
  name: Name,
  work: (input: Input, signal: AbortSignal) => Promise<Output>,
) {
  return payloadNode({ name, policy: { timeoutMs: 20_000 } }, async (input: Input, ctx: Context) => {
    await ctx.emitChunk({ kind: "status.step", data: { name, state: "begun" } });
    const output = await work(input, ctx.signal);
    await ctx.emitChunk({ kind: "status.step", data: { name, state: "done" } });
    return output;
  });
}

const plan = payloadNode("plan", async (folder: string, ctx) => {
  for (const name of STEPS) await ctx.emitChunk({ kind: "status.step", data: { name, state: "planned" } });
  return folder;
});

const read = step("read", async (folder: string, signal) => {
  const files = globSync(`${folder}/**/*.md`, { cwd: REPOSITORY });
  const load = (file: string) => readFile(new URL(file, REPOSITORY), { encoding: "utf8", signal });
  return mapConcurrent(files.toSorted(), async (file) => ({ file, text: await load(file) }), { signal });
});

const collect = step("collect", async (pages: Page[]): Promise<Link[]> =>
  pages.flatMap(({ file, text }) =>
    Array.from(text.matchAll(/\]\((?!\w+:|#)([^)\s#]+)/g), ([, target = ""]) => ({ file, target })),
  ),
);

const check = step("check", (links: Link[], signal): Promise<Link[]> => {
  const isThere = (link: Link) => access(new URL(link.target, new URL(link.file, REPOSITORY)));
  return mapConcurrent(
    links,
    (link) =>
      isThere(link).then(
        () => link,
        () => ({ ...link, isBroken: true }),
      ),
    { signal },
  );
});

const report = payloadNode("report", async (links: Link[], ctx) => {
  const found = links.filter((link) => link.isBroken);
  for (const { file, target } of found) ctx.tell({ type: "app.broken_link", data: { file, target } });
  const broken = found.map(({ file, target }) => `${file} → ${target}`);
  const lines = [`${links.length} links, ${broken.length} of them broken`, ...broken];
  for (const line of lines) await ctx.emitChunk({ text: line });
  return new FinalAnswer({ text: lines.join("\n"), citations: broken });
});

export function createFlow() {
  return create(plan.to(read), read.to(collect), collect.to(check), check.to(report), { name: "status-updates" });
}

export async function main(folder = "docs") {
  await using flow = createFlow();
  flow.run();

  const told: string[] = [];
  let answer: FinalAnswer | undefined;
  for await (const item of flow.stream(folder, { tenant: "acme", timeoutMs: 30_000 })) {
    if (item.type === "result") answer = item.result;
    if (item.type !== "chunk") continue;
    const { text, kind, data } = item.chunk;
    // the runtime ends each stream with a chunk that has neither
    const line = kind === "status.step" ? `${data.state.padEnd(8)}${data.name}` : text;
    if (line === "") continue;
    told.push(line);
    console.log(line);
  }
  return { told, answer };
}

if (import.meta.main) await main();
