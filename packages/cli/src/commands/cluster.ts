import type { ClusterStatus } from "@penguiflow/cluster";
import { withCluster } from "../cluster/with-cluster.ts";
import { command } from "../command-line/command.ts";
import { BACKEND_FLAG, CLUSTER_FLAG, JSON_FLAG } from "../command-line/flags.ts";
import { meant } from "../command-line/nearest.ts";
import { CliError, Exit } from "../exit.ts";
import { printJson } from "../text.ts";

const PLACE = { backend: BACKEND_FLAG, cluster: CLUSTER_FLAG, json: JSON_FLAG } as const;
const AT = "--backend postgres://db/shop --cluster shop";

export const clusterStatus = command({
  name: "cluster status",
  summary: "Prints the flows and workers of a cluster, and what is wrong with it",
  words: [],
  flags: PLACE,
  examples: [`penguiflow cluster status ${AT}`],
  exits: [Exit.FAILED, Exit.NO_FLOW, Exit.UNKNOWN],
  async run({ flags: { json, ...place }, io }) {
    return await withCluster(io, place, async ({ name, backend, package: { cluster, formatStatus } }) => {
      const status = await cluster({ name, backend }).status();
      if (json) printJson(io, status);
      else io.out(`${formatStatus(status)}\n`);
      return status.problems.length === 0 ? Exit.OK : Exit.FAILED;
    });
  },
});

export const clusterDrain = command({
  name: "cluster drain",
  summary: "Asks a worker of a cluster to hand its partitions over, and waits until it has left",
  words: [{ name: "worker", help: "name of the worker" }],
  flags: {
    ...PLACE,
    timeout: { type: "integer", default: 60_000, help: "milliseconds to wait; the worker goes on draining after that" },
  },
  examples: [`penguiflow cluster drain ada ${AT}`],
  exits: [Exit.FAILED, Exit.NO_FLOW, Exit.UNKNOWN],
  async run({ words: [worker = ""], flags: { json, timeout: timeoutMs, ...place }, io }) {
    return await withCluster(io, place, async ({ name, backend, package: { cluster, formatDrain } }) => {
      const made = cluster({ name, backend });
      const names = (await made.status()).members.map((member) => member.name);
      if (!names.includes(worker))
        throw new CliError({
          code: "MEMBER_UNKNOWN",
          exit: Exit.UNKNOWN,
          message: `Cluster "${name}" has no worker "${worker}"${meant(worker, names)}`,
          hint: names.length === 0 ? "it has none" : `it has ${names.join(", ")}`,
        });
      const report = await made.drain(worker, { timeoutMs });
      if (json) printJson(io, report);
      else io.out(`${formatDrain(report)}\n`);
      return report.isDrained ? Exit.OK : Exit.FAILED;
    });
  },
});

export const clusterFailed = command({
  name: "cluster failed",
  summary: "Lists the traces of a flow on a cluster that have failed, and wait to be retried or discarded",
  words: [{ name: "flow", help: "name of the flow, with @ and its version where there are several" }],
  flags: { ...PLACE, tenant: { type: "string", value: "tenant", help: "only those of this tenant" } },
  examples: [`penguiflow cluster failed orders@2 ${AT}`],
  exits: [Exit.FAILED, Exit.NO_FLOW, Exit.UNKNOWN],
  async run({ words: [word = ""], flags: { json, tenant, ...place }, io }) {
    return await withCluster(io, place, async ({ name, backend, package: { cluster, formatFailed } }) => {
      const { flow, version, partitions } = flowNamed(word, await cluster({ name, backend }).status());
      const client = cluster({ name, backend, partitions }).client();
      try {
        const failed = await client.failed({ name: flow, version }, { tenant });
        if (json) printJson(io, failed);
        else io.out(`${formatFailed(failed)}\n`);
        // partitions that did not answer may have some
        return failed.silent.length === 0 ? Exit.OK : Exit.FAILED;
      } finally {
        await client[Symbol.asyncDispose]();
      }
    });
  },
});

/** Returns the version of a flow that a word means. */
function flowNamed(word: string, { name, flows }: ClusterStatus): ClusterStatus["flows"][number] {
  const names = flows.map(({ flow, version }) => `${flow}@${version}`);
  const found = flows.filter(({ flow, version }) => word === flow || word === `${flow}@${version}`);
  if (found.length === 1) return found[0]!;
  throw new CliError(
    found.length === 0
      ? {
          code: "FLOW_UNKNOWN",
          exit: Exit.UNKNOWN,
          message: `Cluster "${name}" has no flow "${word}"${meant(word, names)}`,
          hint: names.length === 0 ? "it has none" : `it has ${names.join(", ")}`,
        }
      : {
          code: "FLOW_AMBIGUOUS",
          exit: Exit.USAGE,
          message: `Flow "${word}" has several versions: say which of ${found.map(({ flow, version }) => `${flow}@${version}`).join(", ")}`,
        },
  );
}
