// The agent of the demo, in a process of its own: searches the guides for a word, page by page.
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { A2AServerAdapter, createA2AApp } from "@penguiflow/a2a/server";
import { create, payloadNode } from "penguiflow";

const REPOSITORY = new URL("../../", import.meta.url);

const read = payloadNode({ name: "read", policy: { concurrency: 4 } }, async (word: string, ctx) => {
  let times = 0;
  let pages = 0;
  try {
    for (const page of globSync("docs/guides/*.md", { cwd: REPOSITORY }).toSorted()) {
      const text = await readFile(new URL(page, REPOSITORY), { encoding: "utf8", signal: ctx.signal });
      const here = text.split(word).length - 1;
      times += here;
      pages += 1;
      await ctx.emitChunk({ text: `${page}: ${here}` });
      // as slow as a reasoning model
      await ctx.sleep(40);
    }
  } catch (error) {
    console.log(`stopped reading for "${word}" at page ${pages}: ${ctx.signal.aborted ? "cancelled" : String(error)}`);
    process.send?.({ stopped: word });
    throw error;
  }
  console.log(`read ${pages} pages for "${word}"`);
  return { word, times, pages };
});

const adapter = new A2AServerAdapter(create(read.to(), { name: "reader" }), {
  card: {
    name: "Reader",
    description: "Reads the guides of PenguiFlow",
    version: "1.0.0",
    skills: [{ id: "read", description: "Counts a word, page by page", tags: ["reading"], examples: ["tenant"] }],
  },
});

if (import.meta.main) {
  const app = createA2AApp(adapter, { drainMs: 0 });
  const url = await app.listen();
  console.log(`serves ${url}`);
  process.send?.({ url });
  // the parent process has gone, so no caller is left
  process.on("disconnect", () => void app.close());
}
