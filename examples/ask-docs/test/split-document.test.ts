import { describe, expect, test } from "vitest";
import { splitDocument } from "../src/split-document.ts";
import { tokenisePassage } from "../src/tokenise.ts";
import { stripMarkup } from "../src/strip-markup.ts";

const lines = (...text: string[]) => text.join("\n");

describe("splitDocument", () => {
  test("makes a passage of what stands under a heading, with its lines and the path of headings", () => {
    const text = lines(
      "# Guide",
      "",
      "Intro.",
      "",
      "## Edges",
      "",
      "One",
      "two.",
      "",
      "- three",
      "",
      "## Nodes",
      "Four.",
    );
    expect(splitDocument("a.md", text)).toMatchObject([
      { file: "a.md", startLine: 3, endLine: 3, headings: ["Guide"] },
      {
        startLine: 7,
        endLine: 10,
        headings: ["Guide", "Edges"],
        blocks: [
          { kind: "prose", text: "One\ntwo.", line: 7 },
          { kind: "prose", text: "three", line: 10 },
        ],
      },
      { startLine: 13, endLine: 13, headings: ["Guide", "Nodes"] },
    ]);
  });

  test("keeps the path right when levels are left out", () => {
    const text = lines("## A", "a", "#### B", "b", "### C", "c", "", "Title", "=====", "d");
    expect(splitDocument("a.md", text).map((passage) => passage.headings)).toEqual([
      ["A"],
      ["A", "B"],
      ["A", "C"],
      ["Title"],
    ]);
  });

  test("keeps code as it stands and takes no heading from it", () => {
    const text = lines("Before", "```sh", "# no heading", "run **it**", "```", "After", "~~~~", "open");
    expect(splitDocument("a.md", text)[0]?.blocks).toEqual([
      { kind: "prose", text: "Before", line: 1 },
      { kind: "code", text: "# no heading\nrun **it**", line: 3 },
      { kind: "prose", text: "After", line: 6 },
      { kind: "code", text: "open", line: 8 },
    ]);
  });

  test("makes a block of each row of a table", () => {
    const text = lines("| Law | Text |", "|---|---|", "| L5 | A full edge **waits** |", "| a | |");
    expect(splitDocument("a.md", text)[0]?.blocks.slice(1)).toEqual([
      { kind: "prose", text: "L5 — A full edge waits", line: 3 },
      { kind: "prose", text: "a", line: 4 },
    ]);
  });

  test("leaves out front matter, rules and comments", () => {
    const text = lines("---", "title: x", "---", "Text", "", "---", "<!-- not", "this -->", "More");
    expect(splitDocument("a.md", text)[0]?.blocks.map((block) => [block.text.trim(), block.line])).toEqual([
      ["Text", 4],
      ["More", 7],
    ]);
  });

  test("reads any line ending", () => {
    const passages = splitDocument("a.md", "# A\r\n\r\none\r\rtwo\nthree");
    expect(passages[0]?.blocks).toEqual([
      { kind: "prose", text: "one", line: 3 },
      { kind: "prose", text: "two\nthree", line: 5 },
    ]);
  });

  test("begins a new passage when one is long enough, without losing a line", () => {
    const paragraphs = Array.from({ length: 40 }, (_, position) => `Paragraph ${position} ${"word ".repeat(20)}`);
    const passages = splitDocument("a.md", paragraphs.join("\n\n"));
    expect(passages.length).toBeGreaterThan(3);
    expect(passages.flatMap((passage) => passage.blocks.map((block) => block.line))).toEqual(
      paragraphs.map((_, position) => position * 2 + 1),
    );
    for (const passage of passages)
      expect(passage.blocks.map((block) => block.text).join("").length).toBeLessThan(1_000);
  });

  test("cuts an endless line into pieces that still tell its number", () => {
    const passages = splitDocument("a.txt", `first\n\n${"word ".repeat(4_000)}`);
    const pieces = passages.flatMap((passage) => passage.blocks).slice(1);
    expect(pieces.length).toBeGreaterThan(3);
    expect(new Set(pieces.map((piece) => piece.line))).toEqual(new Set([3]));
    expect(pieces.map((piece) => piece.text.trim()).join(" ")).toBe("word ".repeat(4_000).trim());
  });

  test("cuts a long paragraph between its lines", () => {
    const text = Array.from({ length: 200 }, (_, n) => `Line ${n} of a paragraph without an end`);
    const blocks = splitDocument("a.txt", lines("first", "", ...text)).flatMap((passage) => passage.blocks);
    expect(blocks.length).toBeLessThan(5);
    for (const block of blocks.slice(1)) expect(block.text).toMatch(new RegExp(`^Line ${block.line - 3} of`));
    expect(blocks.slice(1).flatMap((block) => block.text.split("\n"))).toEqual(text);
  });

  test.each([
    "**a ",
    "<!-- ",
    "[a](b ",
    "`a ``b ",
    "<http://a",
    "# a    ",
    "```\n",
    "| ",
    "- ",
    "-",
    "_a *",
    "a\n",
    "\n---\n",
  ])("does not take for ever over %j again and again", (scrap) => {
    const startedAt = performance.now();
    const passages = splitDocument("a.md", scrap.repeat(400_000 / scrap.length));
    passages.map(tokenisePassage);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });

  test("takes nothing from a document without text", () => {
    expect(splitDocument("a.md", "# Only\n\n## headings\n\n---\n")).toEqual([]);
  });

  test("disarms what could steer a terminal", () => {
    expect(splitDocument("a.md", "red \u001B[31m text")[0]?.blocks[0]?.text).toBe("red \uFFFD[31m text");
  });
});

describe("stripMarkup", () => {
  test.each([
    ['a [link](https://x.y/z "t") and [another][ref]', "a link and another"],
    ["![a picture](x.png) here", "a picture here"],
    ["**bold** and *soft* and _also_ and __too__", "bold and soft and also and too"],
    ["snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"],
    ["`Message<T>` and `**not**` stay", "`Message<T>` and `**not**` stay"],
    ["<b>tag</b><br/> and <https://x.y>", "tag and https://x.y"],
    ["1 < 2 and a\\*b", "1 < 2 and a*b"],
    ["over **two\nlines** <!-- a\nb -->end", "over two\nlines \nend"],
  ])("turns %j into %j", (markdown, plain) => {
    expect(stripMarkup(markdown)).toBe(plain);
  });
});
