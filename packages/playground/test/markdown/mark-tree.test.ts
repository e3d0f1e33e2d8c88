import { describe, expect, test } from "vitest";
import { markTree, type Mark } from "../../src/markdown/mark-tree.ts";
import { HOSTILE_ANSWER } from "../scripted-server/support-script.ts";

/** Lists all nodes of a tree. */
function all(marks: readonly Mark[]): Mark[] {
  return marks.flatMap((mark) => {
    if ("inner" in mark) return [mark, ...all(mark.inner)];
    if (mark.type === "list") return [mark, ...mark.items.flatMap((item) => all(item.inner))];
    if (mark.type === "table") return [mark, ...[mark.head, ...mark.rows].flat().flatMap((cell) => all(cell.inner))];
    return [mark];
  });
}

test("blocks and marks become nodes", () => {
  expect(markTree("# A *b*\n\n- [x] done\n- open\n\n```ts\nlet a;\n```")).toEqual([
    {
      type: "heading",
      level: 1,
      inner: [
        { type: "text", text: "A " },
        { type: "em", inner: [{ type: "text", text: "b" }] },
      ],
    },
    {
      type: "list",
      start: undefined,
      items: [
        { isDone: true, inner: [{ type: "text", text: "done" }] },
        { isDone: undefined, inner: [{ type: "text", text: "open" }] },
      ],
    },
    { type: "block-code", text: "let a;", language: "ts" },
  ]);
});

test("a table keeps the side of its columns, an ordered list its start", () => {
  expect(markTree("| a | b |\n| - | -: |\n| 1 | 2 |")).toMatchObject([
    { type: "table", head: [{ align: undefined }, { align: "right" }] },
  ]);
  expect(markTree("3. three")).toMatchObject([{ type: "list", start: 3 }]);
});

test("entities become their characters", () => {
  expect(all(markTree("a &amp; b &#8364; &nosuch;")).at(-1)).toEqual({ type: "text", text: "a & b € &nosuch;" });
});

describe("a hostile text", () => {
  const nodes = all(markTree(HOSTILE_ANSWER));

  test("keeps its HTML as text", () => {
    const text = nodes.flatMap((node) => (node.type === "text" ? [node.text] : [])).join("");
    expect(text).toContain("<img src=x onerror=");
    expect(text).toContain("<script>document.title='owned'</script>");
  });

  test("has no link but to sites and mails", () => {
    const links = nodes.flatMap((node) => (node.type === "link" ? [node.href] : []));
    expect(links).toEqual(["https://evil.example/pixel.png"]);
  });

  test.for([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "//host",
    "/path",
  ])("does not link to %s", (address) => {
    expect(all(markTree(`[click](<${address}>)`)).some((node) => node.type === "link")).toBe(false);
  });

  test("a text nested without end becomes text", () => {
    expect(all(markTree(`${">".repeat(3000)} deep`)).length).toBeLessThan(200);
    expect(all(markTree("[".repeat(3000))).length).toBeGreaterThan(0);
  });
});
