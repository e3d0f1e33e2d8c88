import { seededRandom } from "penguiflow";

/** A question's answer: ids in order, and the relevant ones. */
export interface Answered {
  readonly ranked: readonly string[];
  readonly relevant: ReadonlySet<string>;
}

/** A mean with its 95 % interval. */
export interface Estimate {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Measures of a retrieval, from 0 to 1. */
export const METRICS: Readonly<Record<string, (answered: Answered) => number>> = {
  "recall@5": (answered) => recallAt(answered, 5),
  "recall@10": (answered) => recallAt(answered, 10),
  "recall@20": (answered) => recallAt(answered, 20),
  "hit@10": ({ ranked, relevant }) => (ranked.slice(0, 10).some((id) => relevant.has(id)) ? 1 : 0),
  MRR: ({ ranked, relevant }) => {
    const at = ranked.findIndex((id) => relevant.has(id));
    return at < 0 ? 0 : 1 / (at + 1);
  },
  "nDCG@10": ({ ranked, relevant }) => {
    const gain = (at: number): number => 1 / Math.log2(at + 2);
    const found = ranked.slice(0, 10).reduce((sum, id, at) => sum + (relevant.has(id) ? gain(at) : 0), 0);
    const best = Array.from({ length: Math.min(10, relevant.size) }, (_, at) => gain(at)).reduce((a, b) => a + b, 0);
    return best === 0 ? 0 : found / best;
  },
};

function recallAt({ ranked, relevant }: Answered, most: number): number {
  const found = ranked.slice(0, most).filter((id) => relevant.has(id)).length;
  return relevant.size === 0 ? 0 : found / relevant.size;
}

const RESAMPLES = 1_000;

/** Returns the mean of values with a bootstrap interval: 2.5 % of the means of 1,000 resamples lie beyond each end. */
export function estimate(values: readonly number[], seed = 1): Estimate {
  const random = seededRandom(seed);
  const mean = (list: readonly number[]): number =>
    list.reduce((sum, value) => sum + value, 0) / Math.max(1, list.length);
  const means = Array.from({ length: RESAMPLES }, () =>
    mean(values.map(() => values[Math.floor(random() * values.length)] ?? 0)),
  ).sort((one, other) => one - other);
  const at = (share: number): number => means[Math.floor(share * (RESAMPLES - 1))] ?? 0;
  return { mean: mean(values), low: at(0.025), high: at(0.975) };
}
