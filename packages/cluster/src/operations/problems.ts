import type { ClusterStatus } from "./cluster-status.ts";

/** A problem of a cluster, and where its cure is described. */
export interface ClusterProblem {
  readonly what: string;
  /** Section of the runbook, `docs/guides/cluster-runbook.md`. */
  readonly section: string;
}

/** Share of its bound above which a backlog is a problem. */
const FULL = 0.8;
/** Stored bytes of checkpoints for each live one, and bytes beyond that, above which the store does not clean up. */
const BLOAT = 4;
const BLOAT_FLOOR = 67_108_864;
/** Leases for which a message may wait. */
const OLD_LEASES = 2;

/** Returns the problems of a cluster, as far as one look shows them. */
export function problemsOf(status: Omit<ClusterStatus, "problems">): readonly ClusterProblem[] {
  const { flows, backend, leaseMs } = status;
  const problems: ClusterProblem[] = [];
  const add = (section: string, what: string): void => void problems.push({ section, what });
  for (const { flow, version, members, unowned, hasWork, oldest, partitions } of flows) {
    const name = `${flow}@${version}`;
    if (members.length === 0) {
      if (hasWork) add("a-version-has-work-and-no-worker", `${name} has work, and no member runs it`);
      continue;
    }
    if (unowned.length > 0)
      add("a-worker-dies", `${unowned.length} of ${partitions} partitions of ${name} have no owner: ${few(unowned)}`);
    for (const { lane, ms } of oldest)
      if (ms > OLD_LEASES * leaseMs)
        add("messages-wait-too-long", `a message of ${name} waits for ${Math.round(ms / 1_000)} s in lane ${lane}`);
  }
  const { intakeFill = 0, checkpointBytes = 0, liveBytes, replicasBehind = 0 } = backend;
  if (intakeFill > FULL)
    add("messages-wait-too-long", `${Math.round(intakeFill * 100)} % of the intake's bound are in use`);
  if (liveBytes !== undefined && checkpointBytes > BLOAT * liveBytes + BLOAT_FLOOR)
    add("checkpoints-take-too-much-room", `the checkpoints take ${checkpointBytes} bytes for ${liveBytes} live ones`);
  if (replicasBehind > 0) add("a-replica-is-behind", `${replicasBehind} replicas of the backend are behind`);
  return problems;
}

/** Writes the first of many numbers. */
export function few(numbers: readonly number[]): string {
  const shown = numbers.slice(0, 8).join(", ");
  return numbers.length > 8 ? `${shown}, …` : shown;
}
