import { nameOf, type TraceName } from "../history/history.ts";
import { simulatedCluster, type SimulatedClusterRun } from "./simulated-cluster.ts";

/** Events of the end of a history to show. */
const SHOWN = 40;

/** Runs the cluster of a seed, again if it breaks a guarantee: what cannot be repeated cannot be investigated. */
export async function oneClusterSeed(seed: number) {
  const run = await simulatedCluster(seed);
  const broken = [...run.broken];
  if (broken.length > 0 && (await simulatedCluster(seed)).digest !== run.digest)
    broken.push("The same seed produces a different run");
  return {
    broken,
    explain: async () => explained(run, broken),
    messages: run.calls,
    faults: run.faults,
    statuses: run.outcomes,
    crashes: run.faults.get("a worker is killed") ?? 0,
    digest: new TextEncoder().encode(run.digest),
  };
}

/** Describes a failure: what is broken, and the history of the traces that it names. */
function explained({ seed, history }: SimulatedClusterRun, broken: readonly string[]): string {
  const isNamed = (event: object): boolean => {
    const name = "tenant" in event ? nameOf(event as TraceName) : undefined;
    return name !== undefined && broken.some((line) => line.includes(name));
  };
  const named = history.filter((event) => isNamed(event) || event.type === "opened");
  return [
    `Seed ${seed} breaks a guarantee of the cluster:`,
    ...[...new Set(broken)].map((line) => `  ${line}`),
    `The last of ${named.length} events of these traces:`,
    ...named.slice(-SHOWN).map((event) => `  ${JSON.stringify(event)}`),
  ].join("\n");
}
