/** Punctuality of a 10 ms timer. */
export interface Pulse {
  readonly durationMs: number;
  readonly beats: number;
  /** Beats that a punctual timer makes. */
  readonly beatsWanted: number;
  readonly medianLateMs: number;
  readonly worstLateMs: number;
}

const BEAT_MS = 10;

/** Starts a beat every 10 ms, which waits for the event loop like timers, requests and other nodes. */
export function startHeartbeat(): { stop(): Pulse } {
  const startedAt = performance.now();
  const lateness: number[] = [];
  let last = startedAt;
  const beat = (): void => {
    const now = performance.now();
    lateness.push(Math.max(0, now - last - BEAT_MS));
    last = now;
  };
  const timer = setInterval(beat, BEAT_MS);
  return {
    stop() {
      clearInterval(timer);
      beat(); // an overdue beat counts: it would have come late
      const durationMs = last - startedAt;
      lateness.sort((a, b) => a - b);
      return {
        durationMs,
        beats: lateness.length,
        beatsWanted: Math.floor(durationMs / BEAT_MS),
        medianLateMs: lateness[Math.floor(lateness.length / 2)] ?? 0,
        worstLateMs: lateness.at(-1) ?? 0,
      };
    },
  };
}
