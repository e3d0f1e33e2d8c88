import { describe, expect, test } from "vitest";
import { composeAnswer, type Quote } from "../src/compose-answer.ts";
import { tokenise } from "../src/tokenise.ts";
import { weigh } from "../src/weigh.ts";
import { makeLibrary } from "./made-library.ts";

function quotes(question: string, documents: Readonly<Record<string, string>>): Quote[] {
  const library = makeLibrary(documents);
  const terms = tokenise(question);
  return composeAnswer(
    weigh(terms, library.search({ terms, related: [], nearSpellings: false }), library).hits,
    library,
  );
}
const places = (found: readonly Quote[]) => found.map(({ text, hit, line }) => `${text} (${hit.passage.file}:${line})`);

const OTHER = { "z.md": "Something else stands here, at some length.", "y.md": "And more of it in another place." };

describe("composeAnswer", () => {
  test("picks the sentence that says it and cites its own line", () => {
    const found = quotes("full edge", {
      ...OTHER,
      "a.md": "# Guide\n\nA flow has nodes and\nnodes have names. A full edge makes\nthe sender wait. Nothing is lost.",
    });
    expect(places(found)).toEqual(["A full edge makes the sender wait. (a.md:4)"]);
  });

  test("puts the best passage first and each passage from top to bottom", () => {
    const found = quotes("full edge", {
      ...OTHER,
      "b.md": "The edge of the table is round and smooth.",
      "a.md": "An edge is bounded by its capacity. A full edge makes the sender wait. The full edge is reported.",
    });
    expect(found.map((quote) => quote.text)).toEqual([
      "A full edge makes the sender wait.",
      "The full edge is reported.",
    ]);
  });

  test("does not say the same twice", () => {
    const same = "A full edge makes the sender wait for room.";
    expect(places(quotes("full edge", { ...OTHER, "a.md": same, "b.md": same }))).toEqual([`${same} (a.md:1)`]);
  });

  test("prefers statements to questions and prose to code", () => {
    const found = quotes("full edge", {
      ...OTHER,
      "a.md":
        "What happens when an edge is full?\n\n```sh\nask 'what is a full edge'\n```\n\nA full edge makes the sender wait.",
    });
    expect(found[0]?.text).toBe("A full edge makes the sender wait.");
    expect(found).toHaveLength(1);
  });

  test("quotes code when there is nothing else", () => {
    const found = quotes("queueMaxSize", {
      ...OTHER,
      "a.md": "# A\n\n```ts\nconst x = 1;\n  create({ queueMaxSize: 8 });\n```",
    });
    expect(places(found)).toEqual(["create({ queueMaxSize: 8 }); (a.md:5)"]);
  });

  test("lets a heading speak for the sentences below it", () => {
    const found = quotes("full edge", {
      ...OTHER,
      "a.md": "# A full edge\n\nThe sender waits until the edge has room again.",
    });
    expect(found.map((quote) => quote.text)).toEqual(["The sender waits until the edge has room again."]);
  });

  test("shortens a sentence without end at a word", () => {
    const [quote] = quotes("full edge", { ...OTHER, "a.md": `A full edge ${"and so on ".repeat(100)}` });
    expect(quote?.text).toMatch(/^A full edge and .* (?:and|so|on) …$/);
    expect(quote?.text.length).toBeLessThan(370);
  });

  test("has nothing to say about nothing", () => {
    expect(quotes("zebra", OTHER)).toEqual([]);
  });
});
