/** Whether a worker lives and is ready, for the probes of a platform. */
export interface WorkerHealth {
  /** Whether the process should go on: `false` once the worker has drained, when it should have ended. */
  readonly isLive: boolean;
  /**
   * Whether the worker does its share: it says that it lives, it does not drain, and the partitions that are assigned to
   * it are open.
   */
  readonly isReady: boolean;
  /** Reasons why it is not ready. */
  readonly reasons: readonly string[];
}

/** Facts from which the health of a worker follows. */
export interface HealthFacts {
  readonly leaseMs: number;
  readonly flows: number;
  /** Milliseconds since the registry last took its card; `undefined` before the first time. */
  readonly silentMs: number | undefined;
  readonly isDraining: boolean;
  readonly isDrained: boolean;
  /** Names of the partitions that are assigned to it, and those of them that are open. */
  readonly assigned: readonly string[];
  readonly open: readonly string[];
}

const SHOWN = 3;

/** Returns the health of a worker. */
export function healthOf(facts: HealthFacts): WorkerHealth {
  const reasons = facts.isDrained
    ? ["it has drained"]
    : facts.isDraining
      ? [`it drains: ${facts.open.length} partitions are left`]
      : reasonsOf(facts);
  return { isLive: !facts.isDrained, isReady: reasons.length === 0, reasons };
}

function reasonsOf({ leaseMs, flows, silentMs, assigned, open }: HealthFacts): string[] {
  const reasons: string[] = [];
  if (flows === 0) reasons.push("it runs no flow");
  else if (silentMs === undefined) reasons.push("it has not joined the cluster yet");
  else if (silentMs > leaseMs)
    reasons.push(
      `the registry has not taken a sign of life for ${Math.round(silentMs)} ms, its lease is ${leaseMs} ms`,
    );
  const closed = assigned.filter((name) => !open.includes(name));
  if (closed.length > 0) {
    const shown = closed.slice(0, SHOWN).join(", ") + (closed.length > SHOWN ? ", …" : "");
    reasons.push(`${closed.length} of ${assigned.length} partitions are not open yet: ${shown}`);
  }
  return reasons;
}
