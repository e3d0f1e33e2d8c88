import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterBackend } from "penguiflow/adapter";
import { partitionNames } from "../../packages/cluster/src/form/place.ts";
import { brokenGuarantees } from "../../packages/cluster/test/history/broken-guarantees.ts";
import type { FinalState, HistoryEvent } from "../../packages/cluster/test/history/history.ts";
import { deploymentOf } from "./calling.ts";
import { LEASE_MS } from "./settings.ts";
import { line } from "./ten-nodes.ts";

/** Checks the guarantees on the events of all processes and on what the backend holds once they have ended. */
export async function check(
  app: string,
  backend: ClusterBackend,
  events: readonly HistoryEvent[],
): Promise<readonly string[]> {
  const nodes = new Map(line.graph.vertices.map(({ node }) => [node.name, 1]));
  return brokenGuarantees(events, await finalStateOf(app, backend), nodes);
}

/** Reads what the partitions hold, once their leases have expired. */
async function finalStateOf(app: string, backend: ClusterBackend): Promise<FinalState> {
  await sleep(LEASE_MS * 1.2);
  const counts = new Map<string, number>();
  const left: string[] = [];
  let backlog = 0;
  for (const partition of partitionNames(deploymentOf(app))) {
    const opened = await backend.checkpoints.open({ partition, owner: "checker", leaseMs: LEASE_MS });
    for (const [node, count] of await opened.counts()) counts.set(node, (counts.get(node) ?? 0) + count);
    for await (const page of opened.read())
      for (const { traceId, tenant } of page) left.push(`"${traceId}" of ${tenant} in ${partition}`);
    const limit = { count: 1_000, bytes: 1e9, waitMs: 0, signal: new AbortController().signal };
    backlog += (await backend.intake.read(partition, await opened.consumed(), limit)).length;
    await opened.close();
  }
  return { counts, left, backlog };
}
