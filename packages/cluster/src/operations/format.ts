import type { ClusterFlowStatus, ClusterMember, ClusterStatus } from "./cluster-status.ts";
import { few } from "./problems.ts";
import type { FailedTraces } from "./read-failed.ts";
import type { RemoteDrainReport } from "./request-drain.ts";

const RUNBOOK = "docs/guides/cluster-runbook.md";

/** Writes the state of a cluster for a terminal: its problems first, then flows, members and backend. */
export function formatStatus({ name, problems, flows, members, backend }: ClusterStatus): string {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const head = [
    `cluster ${name}: ${problems.length === 0 ? "no problem" : count}`,
    ...problems.map(({ what, section }) => `  ! ${what}\n    ${RUNBOOK}#${section}`),
  ];
  // a version that is over stays in the registry
  const shown = flows.filter((flow) => flow.members.length > 0 || flow.hasWork);
  const facts = [
    percent("intake in use", backend.intakeFill),
    bytes("checkpoints", backend.checkpointBytes),
    bytes("live", backend.liveBytes),
    number("kept results", backend.keptResults),
    number("replicas behind", backend.replicasBehind),
  ].filter((fact) => fact !== undefined);
  return [
    ...head,
    "",
    ...table(["FLOW", "OWNED", "WORKERS", "IN FLIGHT", "WAITING", "OLDEST"], shown.map(flowRow)),
    "",
    ...table(["WORKER", "STATE", "PARTITIONS", "IN FLIGHT", "ENDED/S", "BUSY"], members.map(memberRow)),
    ...(facts.length === 0 ? [] : ["", `backend: ${facts.join(", ")}`]),
  ].join("\n");
}

/** Writes the report of a drain for a terminal. */
export function formatDrain({ member, isDrained, partitions, left, tookMs }: RemoteDrainReport): string {
  const took = seconds(tookMs);
  return isDrained
    ? `${member} has drained: it handed ${partitions} partitions over in ${took}`
    : `${member} still holds ${left} of ${partitions} partitions after ${took}; it goes on draining, look at the status`;
}

/** Writes the failed traces of a flow for a terminal. */
export function formatFailed({ flow, version, traces, hasMore, silent }: FailedTraces): string {
  const name = `${flow}@${version}`;
  const rows = traces.map(({ id, tenant, status, startedAt, nodes, code, message }) => [
    id,
    tenant,
    status,
    new Date(startedAt).toISOString(),
    nodes.join(", "),
    [code, message?.split("\n", 1)[0]].filter((part) => part !== undefined).join(": "),
  ]);
  const count = traces.length === 1 ? "1 failed trace" : `${traces.length} failed traces, the oldest first`;
  return [
    `${name}: ${traces.length === 0 ? "no failed trace" : count}`,
    ...(rows.length === 0 ? [] : ["", ...table(["ID", "TENANT", "STATUS", "BEGAN", "NODE", "ERROR"], rows)]),
    ...(hasMore ? ["", "There are more: retry or discard these, and ask again"] : []),
    ...(silent.length === 0 ? [] : ["", `${silent.length} partitions did not answer: ${few(silent)}`]),
  ].join("\n");
}

function flowRow(status: ClusterFlowStatus): readonly string[] {
  const { flow, version, partitions, unowned, members, inFlight, backlog, oldest } = status;
  const oldestMs = Math.max(0, ...oldest.map(({ ms }) => ms));
  return [
    `${flow}@${version}`,
    `${partitions - unowned.length} of ${partitions}`,
    String(members.length),
    String(inFlight),
    String(backlog),
    oldest.length === 0 ? "-" : seconds(oldestMs),
  ];
}

function memberRow({ name, isDraining, held, inFlight, endedPerSecond, busy }: ClusterMember): readonly string[] {
  const state = isDraining ? "drains" : "works";
  return [name, state, String(held), String(inFlight), endedPerSecond.toFixed(1), `${Math.round(busy * 100)} %`];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

const number = (name: string, value: number | undefined): string | undefined =>
  value === undefined ? undefined : `${value} ${name}`;

const percent = (name: string, value: number | undefined): string | undefined =>
  number(`% of the ${name}`, value === undefined ? undefined : Math.round(value * 100));

const bytes = (name: string, value: number | undefined): string | undefined =>
  number(`MiB of ${name}`, value === undefined ? undefined : Math.round(value / 104_857.6) / 10);
