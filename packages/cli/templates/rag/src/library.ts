import { readdirSync, readFileSync } from "node:fs";
import { create, payloadNode } from "penguiflow";

/** The text below one heading of a document. */
export interface Passage {
  readonly source: string;
  readonly heading: string;
  readonly text: string;
}

const DOCS = new URL("../docs/", import.meta.url);
const MOST = 3;
const COMMON = new Set(
  "a an and are at by can do does for how in is it my of on or that the to was we what when which with".split(" "),
);

const passages = readdirSync(DOCS)
  .filter((file) => file.endsWith(".md"))
  .flatMap(passagesOf);
const indexed = passages.map((passage) => ({ passage, words: wordsOf(`${passage.heading} ${passage.text}`) }));
const averageLength = indexed.reduce((sum, { words }) => sum + words.length, 0) / indexed.length;

function passagesOf(file: string): Passage[] {
  const [title = "", ...sections] = readFileSync(new URL(file, DOCS), "utf8").split(/^## /m);
  return sections.map((section) => {
    const [heading = "", ...lines] = section.split("\n");
    return {
      source: `docs/${file}`,
      heading: `${title.replace("#", "").trim()}: ${heading}`,
      text: lines.join(" ").trim(),
    };
  });
}

/** Words without their plural, so that "boots" finds "boot". */
function wordsOf(text: string): string[] {
  const words = text.toLowerCase().match(/[\p{L}\d]+/gu) ?? [];
  return words.filter((word) => !COMMON.has(word)).map((word) => word.replace(/(?<=...)(s|ed|ing)$/, ""));
}

const terms = payloadNode("terms", (question: string) => [...new Set(wordsOf(question))]);

// Okapi BM25, with its usual constants
const rank = payloadNode({ name: "rank", effects: "reads" }, (words: string[]) => {
  const weights = words.map((word) => {
    const having = indexed.filter((entry) => entry.words.includes(word)).length;
    return [word, Math.log(1 + (indexed.length - having + 0.5) / (having + 0.5))] as const;
  });
  return indexed.map(({ passage, words: own }) => {
    const scores = weights.map(([word, weight]) => {
      const count = own.filter((each) => each === word).length;
      return (weight * count * 2.2) / (count + 1.2 * (0.25 + (0.75 * own.length) / averageLength));
    });
    return { passage, score: scores.reduce((sum, score) => sum + score, 0) };
  });
});

const cut = payloadNode("cut", (ranked: { readonly passage: Passage; readonly score: number }[]) =>
  ranked
    .filter(({ score }) => score > 0)
    .toSorted((one, other) => other.score - one.score)
    .slice(0, MOST)
    .map(({ passage }) => passage),
);

/** Finds the passages of the documents that answer a question, best first. */
export const search = create(terms.to(rank), rank.to(cut), { name: "search" });
