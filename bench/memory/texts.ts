// Texts for the memory workloads: words as frequent as those of a language (Zipf), the same in every process.
import { seededRandom } from "../../packages/core/src/foundation/random.ts";

const STOP_WORDS =
  "the of and to a in is that it was for on are as with his they at be this from have or by one had not but what all";
const VOCABULARY = 8_000;
const SYLLABLES = ["ka", "lo", "mi", "ter", "sun", "ran", "vel", "do", "pri", "es", "no", "ba", "gur", "ith", "wen"];

/** Returns the words, the most frequent first: stop words, then words of two to four syllables. */
function vocabulary(random: () => number): readonly string[] {
  const words = new Set(STOP_WORDS.split(" "));
  while (words.size < VOCABULARY) {
    const length = 2 + Math.floor(random() * 3);
    words.add(Array.from({ length }, () => SYLLABLES[Math.floor(random() * SYLLABLES.length)]).join(""));
  }
  return [...words];
}

/** A question and the text that it is about. */
export interface Question {
  /** Four words of the text, with stop words. */
  readonly asked: string;
  /** The longest of these words, for a search of substrings, which finds no whole question. */
  readonly word: string;
  readonly about: string;
}

/** Texts of 8 to 24 words, and questions about some of them. */
export interface Texts {
  readonly texts: readonly string[];
  readonly questions: readonly Question[];
}

/** Makes `count` texts and `asked` questions, always the same. */
export function makeTexts(count: number, asked: number): Texts {
  const random = seededRandom(7);
  const words = vocabulary(random);
  // the inverse of the distribution 1/rank, as a sum up to each rank
  const sums = new Float64Array(words.length);
  let sum = 0;
  for (let rank = 0; rank < words.length; rank++) sums[rank] = sum += 1 / (rank + 1);
  const draw = (): string => {
    const target = random() * sum;
    let [low, high] = [0, words.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sums[middle]! < target) low = middle + 1;
      else high = middle;
    }
    return words[low]!;
  };
  const texts = Array.from({ length: count }, () =>
    Array.from({ length: 8 + Math.floor(random() * 17) }, draw).join(" "),
  );
  const questions = Array.from({ length: asked }, (): Question => {
    const about = texts[Math.floor(random() * texts.length)]!;
    const chosen = about
      .split(" ")
      .slice(0, 8)
      .filter((_, at) => at % 2 === 0);
    const [word] = chosen.toSorted((one, other) => other.length - one.length);
    return { asked: `what is the ${chosen.join(" ")}?`, word: word!, about };
  });
  return { texts, questions };
}
