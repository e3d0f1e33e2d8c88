const HALF_LIFE_MS = 30 * 24 * 3_600_000;
const RATE = 0.3;

/** A strength, and the instant since which it decays. */
export interface Strength {
  readonly strength: number;
  readonly reinforcedAt: number | undefined;
}

/** Returns the strength at `now`: it halves every 30 days since the last reinforcement. */
export function strengthAt({ strength, reinforcedAt }: Strength, now: number): number {
  if (reinforcedAt === undefined) return strength;
  return strength * 2 ** (-Math.max(0, now - reinforcedAt) / HALF_LIFE_MS);
}

/** Returns the strength after a reinforcement with `value`, from -1 to 1. */
export function reinforced(strength: number, value: number): number {
  const next = value >= 0 ? strength + RATE * value * (1 - strength) : strength * (1 + RATE * value);
  return Math.min(1, Math.max(0, next));
}

/** Returns the weight of an instant: 1 now, halved every 30 days. */
export function recencyAt(at: number, now: number): number {
  return 2 ** (-Math.max(0, now - at) / HALF_LIFE_MS);
}
