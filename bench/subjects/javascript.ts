import type { ScanRig, ScanSetup } from "../workloads/memory-scan.ts";

/** A loop over 32-bit floats in one array: of two ways that were tried in JavaScript, the faster. */
export function memoryScan({ vectors, dims, vectorAt }: ScanSetup): ScanRig {
  const all = new Float32Array(vectors * dims);
  for (let place = 0; place < vectors; place += 1) all.set(vectorAt(place), place * dims);
  return {
    nearest(query) {
      const kept: { place: number; score: number }[] = [];
      let least = Number.NEGATIVE_INFINITY;
      for (let place = 0, start = 0; place < vectors; place += 1, start += dims) {
        // four sums at a time, since one would wait for itself
        let [a, b, c, d] = [0, 0, 0, 0];
        for (let at = 0; at < dims; at += 4) {
          a += all[start + at]! * query[at]!;
          b += all[start + at + 1]! * query[at + 1]!;
          c += all[start + at + 2]! * query[at + 2]!;
          d += all[start + at + 3]! * query[at + 3]!;
        }
        const score = a + b + c + d;
        if (score <= least) continue;
        kept.push({ place, score });
        kept.sort((one, other) => other.score - one.score);
        if (kept.length > 10) kept.pop();
        if (kept.length === 10) least = kept[9]!.score;
      }
      return kept.map(({ place }) => place);
    },
    close: async () => {},
  };
}
