// Replaces a language model, deterministically and without a network: streams the sentences of a text that share most
// words with the question, word by word. A real client takes its place in `main.ts`.
import { setTimeout as delay } from "node:timers/promises";
import type { LanguageModel } from "./flow.ts";

const SENTENCES = 2;
const MS_PER_WORD = 5;

const wordsOf = (text: string) => new Set(text.toLowerCase().match(/\p{L}{3,}/gu));

export function quotingModel(text: string): LanguageModel {
  const prose = text.split(/\n{2,}/).filter((paragraph) => /^[A-Z]/.test(paragraph));
  const sentences = prose.flatMap((paragraph) => paragraph.replaceAll(/\s+/g, " ").split(/(?<=[.?!]) (?=[A-Z])/));
  return {
    async *generate(question, signal) {
      const asked = wordsOf(question);
      const met = (sentence: string) => asked.intersection(wordsOf(sentence)).size;
      const best = sentences.toSorted((a, b) => met(b) - met(a)).slice(0, SENTENCES);
      for (const [delta] of best.join(" ").matchAll(/\S+\s*/g)) {
        await delay(MS_PER_WORD, undefined, { signal });
        yield { delta };
      }
    },
  };
}
