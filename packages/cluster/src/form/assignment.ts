import { spread } from "./place.ts";

/**
 * Assigns partitions to members by rendezvous hashing with a bound: each partition goes to the member with the highest
 * hash that has room, and none has more than its share rounded up. Every member computes the same assignment from the
 * same names; one that leaves or joins moves few partitions.
 *
 * Source: D. G. Thaler, C. V. Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996; bounded loads as in V.
 * Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018.
 */
export function assign(partitions: readonly string[], members: readonly string[]): ReadonlyMap<string, string> {
  const assigned = new Map<string, string>();
  if (members.length === 0) return assigned;
  const names = [...members].sort();
  const share = Math.ceil(partitions.length / names.length);
  const loads = new Map(names.map((name) => [name, 0]));
  for (const partition of partitions) {
    let best = "";
    let bestScore = -1;
    for (const name of names) {
      if (loads.get(name)! >= share) continue;
      const score = spread(`${name}\u0000${partition}`);
      if (score > bestScore) [best, bestScore] = [name, score];
    }
    assigned.set(partition, best);
    loads.set(best, loads.get(best)! + 1);
  }
  return assigned;
}
