import { describe, expect, test } from "vitest";
import type { SourceFile } from "../src/find-documents.ts";
import { indexDocuments } from "../src/index-documents.ts";
import { Library } from "../src/library.ts";
import { UnreadableDocument } from "../src/read-text.ts";
import { tokenise } from "../src/tokenise.ts";

const never = new AbortController().signal;
const files = (count: number) =>
  Array.from({ length: count }, (_, n): SourceFile => ({ path: `/${n}`, name: `${n}.md` }));

describe("indexDocuments", () => {
  test("puts every file into the library and tells of each", async () => {
    const library = new Library();
    const told: number[] = [];
    const skipped = await indexDocuments(files(50), library, {
      signal: never,
      onProgress: (done) => told.push(done),
      readText: async (file) => `# Title\n\nThis is the document${file}.`,
    });
    expect(skipped).toEqual([]);
    expect(library.size).toBe(50);
    expect(told).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
    const hits = library.search({ terms: tokenise("document"), related: [], nearSpellings: false });
    expect(hits[0]?.passage).toMatchObject({ file: "0.md", startLine: 3 });
  });

  test("reads no more than eight files at once", async () => {
    let reading = 0;
    let most = 0;
    await indexDocuments(files(60), new Library(), {
      signal: never,
      readText: async () => {
        most = Math.max(most, ++reading);
        await new Promise((resolve) => setImmediate(resolve));
        reading--;
        return "text";
      },
    });
    expect(most).toBe(8);
    expect(reading).toBe(0);
  });

  test("leaves out the files that fail, with their reasons in the order of the files", async () => {
    const library = new Library();
    const skipped = await indexDocuments(files(4), library, {
      signal: never,
      readText: async (file) => {
        if (file === "/1") throw new UnreadableDocument("permission denied");
        if (file === "/3") throw new TypeError("something unforeseen");
        return file === "/2" ? "# Only a heading" : "text";
      },
    });
    expect(library.size).toBe(1);
    expect(skipped).toEqual([
      { name: "1.md", reason: "permission denied" },
      { name: "2.md", reason: "it has headings but no text" },
      { name: "3.md", reason: "something unforeseen" },
    ]);
  });

  test("ends when it is interrupted, and lets go of the file it was reading", async () => {
    const interrupt = new AbortController();
    const released: string[] = [];
    const indexing = indexDocuments(files(3), new Library(), {
      signal: interrupt.signal,
      readText: (file, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            released.push(file);
            reject(signal.reason as Error);
          });
          if (file === "/2") interrupt.abort(new Error("enough"));
        }),
    });
    await expect(indexing).rejects.toThrow("enough");
    expect(released).toEqual(["/0", "/1", "/2"]);
  });
});
