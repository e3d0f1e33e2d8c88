// The documents of one tenant, in memory, with a BM25 search. Replace it by a vector store where you need one.
import { glob, readFile } from "node:fs/promises";
import path from "node:path";

/** A paragraph of a document, with its location. */
export interface Passage {
  readonly file: string;
  /** Number of its first line, from 1. */
  readonly line: number;
  readonly text: string;
}

/** Document search that the flow depends on. */
export interface Library {
  /** Finds the best passages, the best first. */
  search(question: string, limit: number, signal: AbortSignal): readonly Passage[] | Promise<readonly Passage[]>;
}

/**
 * Reads every Markdown file of a folder and of those in it.
 *
 * @throws Error when there is none
 */
export async function readLibrary(folder: string): Promise<Library> {
  const passages: Passage[] = [];
  const names: string[] = [];
  for await (const name of glob("**/*.md", { cwd: folder, exclude: ["**/node_modules/**"] })) names.push(name);
  for (const file of names.sort()) {
    const text = await readFile(path.join(folder, file), "utf8");
    passages.push(...paragraphsOf(file, text));
  }
  if (passages.length === 0)
    throw new Error(`Cannot answer from "${folder}": there is no Markdown file with text in it`);
  return new PassageIndex(passages);
}

function* paragraphsOf(file: string, text: string): Generator<Passage> {
  let line = 1;
  for (const part of text.split(/(\n\s*\n)/)) {
    const prose = part.trim();
    // headings, tables and code do not answer a question by themselves
    if (/^[\p{L}\d*>-]/u.test(prose)) yield { file, line, text: prose.replaceAll(/\s+/g, " ") };
    line += part.split("\n").length - 1;
  }
}

const TERM_SATURATION = 1.2;
const LENGTH_SHARE = 0.75;

class PassageIndex implements Library {
  readonly #passages: readonly Passage[];
  readonly #lengths: number[] = [];
  /** Term frequency per passage, by term. */
  readonly #having = new Map<string, Map<number, number>>();
  readonly #averageLength: number;

  constructor(passages: readonly Passage[]) {
    this.#passages = passages;
    for (const [index, { text }] of passages.entries()) {
      const terms = termsOf(text);
      this.#lengths.push(terms.length);
      for (const term of terms) {
        const having = this.#having.get(term) ?? new Map<number, number>();
        having.set(index, (having.get(index) ?? 0) + 1);
        this.#having.set(term, having);
      }
    }
    this.#averageLength = this.#lengths.reduce((sum, length) => sum + length, 0) / passages.length;
  }

  search(question: string, limit: number): readonly Passage[] {
    const scores = new Map<number, number>();
    for (const term of new Set(termsOf(question))) {
      const having = this.#having.get(term);
      if (having === undefined) continue;
      const rarity = Math.log(1 + (this.#passages.length - having.size + 0.5) / (having.size + 0.5));
      for (const [index, count] of having) {
        const length = (this.#lengths[index] as number) / this.#averageLength;
        const share = count / (count + TERM_SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * length));
        scores.set(index, (scores.get(index) ?? 0) + rarity * share);
      }
    }
    const best = [...scores].sort(([a, left], [b, right]) => right - left || a - b).slice(0, limit);
    return best.map(([index]) => this.#passages[index] as Passage);
  }
}

function termsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\d]{3,}/gu) ?? [];
}
