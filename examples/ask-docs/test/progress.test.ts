import type { WriteStream } from "node:tty";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Progress } from "../src/progress.ts";
import { wrap } from "../src/wrap.ts";

function fakeStream(isTTY: boolean, columns = 30) {
  const written: string[] = [];
  return { written, stream: { isTTY, columns, write: (text: string) => written.push(text) } as unknown as WriteStream };
}

describe("Progress", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("rewrites one line on a terminal, no wider than it and not too often", () => {
    const { stream, written } = fakeStream(true);
    const progress = new Progress(stream);
    progress.show("Indexing 1 of 20: a-very-long-name-of-a-file.md");
    progress.show("Indexing 2 of 20: b.md");
    vi.advanceTimersByTime(60);
    progress.show("Indexing 3 of 20: c.md");
    progress.end("Indexed 20 files");
    expect(written).toEqual([
      "\r\u001B[2KIndexing 1 of 20: a-very-long",
      "\r\u001B[2KIndexing 3 of 20: c.md",
      "\r\u001B[2K",
      "Indexed 20 files\n",
    ]);
    expect(written[0]?.replace("\r\u001B[2K", "").length).toBeLessThan(30);
  });

  test("writes plain lines elsewhere, and only when it takes long", () => {
    const { stream, written } = fakeStream(false);
    const progress = new Progress(stream);
    progress.show("Indexing 1 of 20: a.md");
    vi.advanceTimersByTime(2_000);
    progress.show("Indexing 2 of 20: b.md");
    progress.end("Indexed 20 files");
    expect(written).toEqual(["Indexing 2 of 20: b.md\n", "Indexed 20 files\n"]);
  });

  test("takes the moving line away when it ends without a word", () => {
    const { stream, written } = fakeStream(true);
    new Progress(stream).end();
    expect(written).toEqual(["\r\u001B[2K"]);
  });
});

describe("wrap", () => {
  test("breaks between words and indents every line", () => {
    expect(wrap("one two three four", 11, "  ")).toBe("  one two\n  three\n  four");
  });

  test("leaves words whole, and text without a limit on one line", () => {
    expect(wrap("supercalifragilistic a", 5, "  ")).toBe("  supercalifragilistic\n  a");
    expect(wrap("one two three", Number.POSITIVE_INFINITY, "")).toBe("one two three");
  });
});
