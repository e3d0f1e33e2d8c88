import { fnv1a } from "penguiflow/adapter";
import { wordsOf } from "../text/words.ts";
import type { Embedder } from "./embedder.ts";

const DIMS = 256;

/**
 * Returns an embedder that hashes the trigrams of words: for tests, and for finding words in spite of typing errors. It
 * knows no meaning; alone it finds less than words do, so give it a small weight.
 *
 * @param dims - @defaultValue 256
 */
export function hashEmbedder(dims: number = DIMS): Embedder {
  return {
    name: `hash-trigrams-${dims}`,
    dims,
    embed: async (texts) => texts.map((text) => vectorOf(text, dims)),
  };
}

function vectorOf(text: string, dims: number): Float32Array {
  const vector = new Float32Array(dims);
  for (const word of wordsOf(text)) {
    const padded = ` ${word} `;
    for (let at = 0; at + 3 <= padded.length; at++) {
      const hash = fnv1a(padded.slice(at, at + 3)) >>> 0;
      const place = hash % dims;
      vector[place] = (vector[place] ?? 0) + ((hash >>> 16) % 2 === 0 ? 1 : -1);
    }
  }
  return vector;
}
