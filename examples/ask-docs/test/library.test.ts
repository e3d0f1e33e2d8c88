import { describe, expect, test } from "vitest";
import { Library, type Search } from "../src/library.ts";
import { splitDocument } from "../src/split-document.ts";
import { tokenise, tokenisePassage } from "../src/tokenise.ts";
import { weigh } from "../src/weigh.ts";
import { BIRDS, makeLibrary } from "./made-library.ts";

const searchFor = (text: string, more: Partial<Search> = {}): Search => ({
  terms: tokenise(text),
  related: [],
  nearSpellings: false,
  ...more,
});
const library = makeLibrary(BIRDS);

describe("Library", () => {
  test("ranks the passage with the rarer word first", () => {
    const hits = library.search(searchFor("eat krill"));
    expect(hits[0]?.passage).toMatchObject({ file: "penguins.md", headings: ["Penguins", "Food"] });
    expect(hits[0]?.questionTerms.toSorted()).toEqual(tokenise("eat krill").toSorted());
    expect(hits.map((hit) => hit.passage.file)).toContain("gulls.md");
    expect(hits.map((hit) => hit.score)).toEqual(hits.map((hit) => hit.score).toSorted((a, b) => b - a));
  });

  test("knows a word by its other forms, and by its headings", () => {
    expect(library.search(searchFor("swimming"))[0]?.passage.file).toBe("penguins.md");
    expect(library.search(searchFor("food"))[0]?.passage.startLine).toBe(7);
  });

  test("finds near spellings only when asked to", () => {
    expect(library.search(searchFor("pengiun"))).toEqual([]);
    expect(library.search(searchFor("penguis", { nearSpellings: true }))[0]).toMatchObject({
      passage: { file: "penguins.md" },
      questionTerms: tokenise("penguis"),
      terms: tokenise("penguin"),
    });
  });

  test("lets related terms find more, but count less", () => {
    const alone = library.search(searchFor("krill"));
    const related = library.search(searchFor("krill", { related: tokenise("night") }));
    expect(alone.map((hit) => hit.passage.file)).toEqual(["penguins.md"]);
    expect(related.map((hit) => hit.passage.file)).toEqual(["penguins.md", "owls.md"]);
    expect(related[1]?.questionTerms).toEqual([]);
  });

  test("does not let related terms be near spellings", () => {
    const hits = library.search(searchFor("krill", { related: ["nigh"], nearSpellings: true }));
    expect(hits.map((hit) => hit.passage.file)).toEqual(["penguins.md"]);
  });

  test("gives the same order however the files came in", () => {
    const other = makeLibrary(Object.fromEntries(Object.entries(BIRDS).toReversed()));
    const places = (from: Library) => from.search(searchFor("birds fly eat")).map((hit) => hit.passage);
    expect(places(other)).toEqual(places(library));
  });

  test("holds a word that is nowhere for the most telling, and one that is everywhere for the least", () => {
    const [nowhere, once, everywhere] = ["zebra", "krill", "birds"].map((word) =>
      library.weightOf(tokenise(word)[0] ?? ""),
    );
    expect(nowhere).toBeGreaterThan(once ?? 0);
    expect(once).toBeGreaterThan(everywhere ?? 0);
    expect(everywhere).toBeGreaterThan(0);
  });

  test("names the terms of a passage that lead on, and none that leads nowhere", () => {
    const owls = library.search(searchFor("owls"));
    const terms = library.tellingTerms(owls, 10);
    expect(terms).toContain("fly");
    expect(terms).not.toContain("mice");
    expect(library.tellingTerms(owls, 1)).toHaveLength(1);
  });

  test("is called after the topmost README, or else after its first document", () => {
    expect(library.title).toBe("Gulls");
    expect(makeLibrary({ ...BIRDS, "z/README.md": "# Deep\n\nx", "readme.md": "# Birds\n\nx" }).title).toBe("Birds");
    expect(makeLibrary({ "a.txt": "no heading" }).title).toBeUndefined();
  });

  test("takes all passages of a document or none, and says when it is full", () => {
    const full = new Library();
    const passages = splitDocument("a.md", "some text").map(tokenisePassage);
    const tooMany = Array.from({ length: 100_001 }, () => passages).flat();
    expect(() => full.add(tooMany)).toThrow("the index is full: it holds 0 of 100000 passages");
    expect(full.size).toBe(0);
  });
});

describe("weigh", () => {
  const findings = (text: string) => weigh(tokenise(text), library.search(searchFor(text)), library);

  test("prefers a passage with all of the question to one that repeats a part", () => {
    const many = makeLibrary({ "a.md": "krill krill krill krill krill", "b.md": "krill under the ice", "c.md": "x" });
    const terms = tokenise("krill ice");
    expect(weigh(terms, many.search(searchFor("krill ice")), many).hits[0]?.passage.file).toBe("b.md");
  });

  test("is sure when the best passage has every term, and less so when one is nowhere", () => {
    expect(findings("krill ice").confidence).toBeCloseTo(1);
    const unsure = findings("krill zebra").confidence;
    expect(unsure).toBeGreaterThan(0.1);
    expect(unsure).toBeLessThan(0.6);
  });

  test("drops what falls far behind and keeps few", () => {
    const { hits } = findings("krill birds");
    expect(hits.length).toBeLessThanOrEqual(5);
    expect(hits.map((hit) => hit.passage.file)).toEqual(["penguins.md"]);
  });

  test("knows nothing about nothing", () => {
    expect(findings("zebra")).toEqual({ hits: [], confidence: 0 });
  });
});
