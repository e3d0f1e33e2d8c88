import type { BackendFigures, ClusterBackend } from "penguiflow/adapter";
import type { Command } from "../form/command.ts";
import { type Deployment, indexOf, partitionNames } from "../form/place.ts";
import { type DeploymentRecord, deploymentsPrefix, type MemberCard, releasesPrefix } from "../form/registry-keys.ts";
import { type Release, shareOf } from "../form/release.ts";
import { readMessage } from "../form/text.ts";
import type { ClusterSettings } from "../worker/settings.ts";
import { type ClusterProblem, problemsOf } from "./problems.ts";
import { readAll, readMembers } from "./read-registry.ts";

/** State of a cluster, as its registry and its backend tell it. */
export interface ClusterStatus {
  readonly name: string;
  readonly leaseMs: number;
  /** Problems that this look shows; none when it is empty. */
  readonly problems: readonly ClusterProblem[];
  readonly members: readonly ClusterMember[];
  /** Every version of a flow that ever ran, with members or without. */
  readonly flows: readonly ClusterFlowStatus[];
  readonly backend: BackendFigures;
}

/** A member of a cluster. */
export interface ClusterMember {
  readonly name: string;
  readonly isDraining: boolean;
  /** Flows that it runs, with their versions: `orders@1`. */
  readonly runs: readonly string[];
  /** Number of partitions that it holds. */
  readonly held: number;
  readonly inFlight: number;
  /** Traces that end each second. */
  readonly endedPerSecond: number;
  /** Share of the time in which its event loop is busy. */
  readonly busy: number;
}

/** State of one version of a flow. */
export interface ClusterFlowStatus {
  readonly flow: string;
  readonly version: string;
  /** Share of the new traces that the version takes, if the flow was ever released. */
  readonly share: number | undefined;
  readonly partitions: number;
  /** Names of the members that run it. */
  readonly members: readonly string[];
  /** Indices of the partitions that no member holds. */
  readonly unowned: readonly number[];
  /** Number of traces in flight, also those that wait for an answer. */
  readonly inFlight: number;
  /**
   * Whether it has work: traces by its members' last look, or messages that wait. While members run it and hold only a part
   * of its partitions, the rest may have some.
   */
  readonly hasWork: boolean;
  /** Number of messages that wait in intakes. */
  readonly backlog: number;
  /** Milliseconds for which the oldest message of a lane waits, by the clock of its sender; lane 0 has the commands. */
  readonly oldest: readonly { readonly lane: number; readonly ms: number }[];
}

const READ_BYTES = 1_048_576;

/** Reads the state of a cluster. Costs a read of the registry, and one of the intake of each partition with a backlog. */
export async function readStatus({ name, backend, leaseMs, machine }: ClusterSettings): Promise<ClusterStatus> {
  const [cards, records, releases, figures] = await Promise.all([
    readMembers(backend.registry, name),
    readAll<DeploymentRecord>(backend.registry, deploymentsPrefix(name)),
    readAll<Release>(backend.registry, releasesPrefix(name)),
    backend.figures?.() ?? {},
  ]);
  const now = machine.clock.epochNow();
  const flows = await Promise.all(
    [...records]
      .toSorted(([one], [other]) => one.localeCompare(other))
      .map(async ([group, record]) => {
        const deployment = deploymentOf(name, group, record);
        const share = shareOf(releases.get(deployment.flow), deployment.version);
        return { share, ...(await flowStatus(backend, deployment, record, cards, now)) };
      }),
  );
  const members = [...cards].map(memberOf).toSorted((one, other) => one.name.localeCompare(other.name));
  const status = { name, leaseMs, members, flows, backend: figures };
  return { ...status, problems: problemsOf(status) };
}

function deploymentOf(app: string, group: string, { partitions, lanes }: DeploymentRecord): Deployment {
  const at = group.lastIndexOf("@");
  return { app, flow: group.slice(0, at), version: group.slice(at + 1), partitions, lanes };
}

function memberOf([name, { isDraining, runs, figures }]: readonly [string, MemberCard]): ClusterMember {
  const all = Object.values(figures);
  const sum = (pick: (one: (typeof all)[number]) => number): number => all.reduce((total, one) => total + pick(one), 0);
  return {
    name,
    isDraining,
    runs,
    held: sum(({ held }) => held.length),
    inFlight: sum(({ inFlight }) => inFlight),
    endedPerSecond: sum(({ endedPerSecond }) => endedPerSecond),
    busy: sum(({ busy }) => busy),
  };
}

async function flowStatus(
  backend: ClusterBackend,
  deployment: Deployment,
  { isIdle }: DeploymentRecord,
  cards: ReadonlyMap<string, MemberCard>,
  now: number,
): Promise<Omit<ClusterFlowStatus, "share">> {
  const { flow, version, partitions, lanes } = deployment;
  const group = `${flow}@${version}`;
  const names = partitionNames(deployment);
  const waiting = await backend.intake.backlog(names);
  const figures = [...cards.values()].flatMap(({ figures: all }) => all[group] ?? []);
  const held = new Set(figures.flatMap((one) => one.held));
  const backlog = [...waiting.values()].reduce((sum, count) => sum + count, 0);
  const members = [...cards].flatMap(([member, { runs }]) => (runs.includes(group) ? [member] : [])).toSorted();
  const unowned = names.map(indexOf).filter((index) => !held.has(index));
  const crowded = names.filter((name) => (waiting.get(name) ?? 0) > 0);
  return {
    flow,
    version,
    partitions,
    members,
    unowned,
    inFlight: figures.reduce((sum, one) => sum + one.inFlight, 0),
    hasWork: !isIdle || backlog > 0 || (members.length > 0 && unowned.length > 0),
    backlog,
    oldest: await oldestOf(backend, crowded, lanes, now),
  };
}

/** Returns the age of the oldest message of each lane: an intake gives the first of each lane first. */
async function oldestOf(
  backend: ClusterBackend,
  names: readonly string[],
  lanes: number,
  now: number,
): Promise<ClusterFlowStatus["oldest"]> {
  const { signal } = new AbortController();
  const limit = { count: lanes + 1, bytes: READ_BYTES, waitMs: 0, signal };
  const oldest = new Map<number, number>();
  const items = await Promise.all(names.map((name) => backend.intake.read(name, new Map(), limit)));
  for (const { lane, body } of items.flat()) {
    const at = readMessage<Command>(body)?.at;
    if (typeof at === "number") oldest.set(lane, Math.max(oldest.get(lane) ?? 0, now - at));
  }
  return [...oldest].map(([lane, ms]) => ({ lane, ms })).toSorted((one, other) => one.lane - other.lane);
}
