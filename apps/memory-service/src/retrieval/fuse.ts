const K = 60;

/** A ranking and its weight. */
export interface Ranking<Id> {
  readonly ids: readonly Id[];
  readonly weight: number;
}

/** Returns the share of a fused score that a place gives, from 1. */
export function sharePlaceGives(place: number, weight: number): number {
  return weight / (K + place);
}

/** Fuses rankings by reciprocal ranks (RRF, k = 60): Σ weight ÷ (k + rank). */
export function fuseRanks<Id>(rankings: readonly Ranking<Id>[]): Map<Id, number> {
  const fused = new Map<Id, number>();
  for (const { ids, weight } of rankings) {
    for (const [at, id] of ids.entries()) fused.set(id, (fused.get(id) ?? 0) + sharePlaceGives(at + 1, weight));
  }
  return fused;
}
