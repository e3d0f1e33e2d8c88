import { type Context, create, payloadNode } from "penguiflow";
import type { SourceFile } from "./find-documents.ts";
import type { Library } from "./library.ts";
import { splitDocument } from "./split-document.ts";
import { tokenisePassage, type PassageTerms } from "./tokenise.ts";
import { UnreadableDocument } from "./read-text.ts";

/** Resources of the nodes. */
export interface IndexingResources {
  readonly library: Library;
  readonly readText: (file: string, signal: AbortSignal) => Promise<string>;
}

const read = payloadNode(
  { name: "read", policy: { concurrency: 8, timeoutMs: 30_000 } },
  async (file: SourceFile, ctx: Context<IndexingResources>) => ({
    file,
    text: await ctx.resources.readText(file.path, ctx.signal),
  }),
);

const split = payloadNode("split", (document: { file: SourceFile; text: string }) => {
  const passages = splitDocument(document.file.name, document.text);
  if (passages.length === 0) throw new UnreadableDocument("it has headings but no text");
  return passages;
});

const tokenise = payloadNode("tokenise", (passages: ReturnType<typeof splitDocument>) => passages.map(tokenisePassage));

const index = payloadNode("index", (passages: readonly PassageTerms[], ctx: Context<IndexingResources>) => {
  ctx.resources.library.add(passages);
  return passages.length;
});

/**
 * Builds the flow that reads a file, splits it into passages, tokenises them and adds them to the library. Its result
 * is the number of passages. Backpressure bounds the files in memory: the sender waits while the edges are full.
 */
export function createIndexingFlow() {
  return create(read.to(split), split.to(tokenise), tokenise.to(index), { name: "indexing", queueMaxSize: 8 });
}
