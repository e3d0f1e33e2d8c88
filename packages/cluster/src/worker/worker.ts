import { errorPayload, type StandIn } from "penguiflow";
import { flowOfNode } from "penguiflow/adapter";
import { Client } from "../client/client.ts";
import { every } from "../form/machine.ts";
import { type Deployment, indexOf, partitionNames } from "../form/place.ts";
import {
  type DrainRequest,
  drainKey,
  type MemberCard,
  type MemberFigures,
  membersPrefix,
} from "../form/registry-keys.ts";
import { FIRST_VERSION, requireVersion } from "../form/release.ts";
import { Releases } from "../form/releases.ts";
import { watch } from "../form/watch.ts";
import { Assigner } from "./assigner.ts";
import { DeploymentRecords } from "./deployment-records.ts";
import { healthOf, type WorkerHealth } from "./health.ts";
import { Meter } from "./meter.ts";
import { type AnyFlow, type Deployed, PartitionOwner } from "./partition-owner.ts";
import { loopDelays } from "./recent.ts";
import { homeNode, type Segment, segmentsOf } from "./segments.ts";
import type { RunningSettings, WorkerSettings } from "./settings.ts";
import type { WorkerFlowStatus, WorkerStatus } from "./status.ts";
import { WorkerLease } from "./worker-lease.ts";

/** Report on the end of a worker. */
export interface DrainReport {
  readonly partitions: number;
}

interface Group extends Deployed {
  readonly owners: Map<string, PartitionOwner>;
  readonly leaving: Set<string>;
}

/** Time to live of a member, in leases. */
const TTL_LEASES = 1;
/** Longest time after which others hear of a partition that was acquired or lost, in milliseconds. */
const TELL_MS = 1_000;
/** Leases after which a placement that no member offers is logged as an error. */
const MISSING_LEASES = 2;

/**
 * One process's share of a cluster: owns partitions of the flows that it runs. Made by `cluster(…).worker(…)`.
 */
export class Worker implements AsyncDisposable {
  readonly #settings: RunningSettings;
  readonly #groups = new Map<string, Group>();
  readonly #assigner: Assigner;
  readonly #lease: WorkerLease;
  readonly #watching = new AbortController();
  readonly #utilization: () => number;
  readonly #meter: Meter;
  readonly #records: DeploymentRecords;
  readonly #releases: Releases;
  /** Placed nodes of the flows that it runs, by the flow and version that they are. */
  readonly #needs = new Map<string, Segment & { readonly version: string }>();
  /** The clock's `now()` since when no member runs one of them. */
  readonly #missingSince = new Map<string, number>();
  #client: Client | undefined;
  /** Random name that distinguishes this worker from one of the same name before it. */
  readonly #instance: string;
  readonly #drained = Promise.withResolvers<DrainReport>();
  #isDraining = false;
  #isDrained = false;
  /** The clock's `now()` when the registry last took the card. */
  #seenAt: number | undefined;
  #stopBeating: (() => void) | undefined;
  #draining: Promise<DrainReport> | undefined;
  #beats: Promise<unknown> = Promise.resolve();
  #endedBefore = new Map<string, number>();
  #beatAt: number;
  /** The partitions that the last card told. */
  #toldShares = "";

  /** Internal: call `cluster(…).worker(…)`. */
  constructor(settings: object) {
    const given = settings as WorkerSettings;
    const { machine, backend } = given;
    this.#meter = new Meter(machine.clock);
    const measured = { ...given, backend: this.#meter.measured(backend) };
    this.#lease = new WorkerLease(measured);
    this.#settings = { ...measured, lease: () => this.#lease.get() };
    this.#records = new DeploymentRecords(this.#settings);
    this.#releases = new Releases(this.#settings);
    this.#assigner = new Assigner(this.#settings, () => this.#reconcile());
    this.#instance = machine.newId(8);
    this.#utilization = machine.newUtilization();
    this.#beatAt = machine.clock.now();
  }

  /** Name of the member. */
  get name(): string {
    return this.#settings.member;
  }

  /** Names of the partitions that are held now. */
  get held(): readonly string[] {
    return [...this.#groups.values()].flatMap(({ owners }) =>
      [...owners].filter(([, owner]) => owner.isOpen).map(([name]) => name),
    );
  }

  /**
   * Resolves once the worker has drained: by its `drain`, or by that of the cluster, in another program. The process may
   * end then.
   */
  get drained(): Promise<DrainReport> {
    return this.#drained.promise;
  }

  /** Returns whether the worker lives and does its share, for the probes of a platform. */
  health(): WorkerHealth {
    const { leaseMs, machine } = this.#settings;
    const groups = [...this.#groups.values()];
    return healthOf({
      leaseMs,
      flows: groups.length,
      silentMs: this.#seenAt === undefined ? undefined : machine.clock.now() - this.#seenAt,
      isDraining: this.#isDraining,
      isDrained: this.#isDrained,
      assigned: groups.flatMap(({ owners, leaving }) => [...owners.keys()].filter((name) => !leaving.has(name))),
      open: this.held,
    });
  }

  /** Returns the figures of the worker. */
  status(): WorkerStatus {
    const { name: cluster, leaseMs } = this.#settings;
    const flows = [...this.#groups].map(([group, one]) => this.#statusOf(group, one));
    return {
      cluster,
      name: this.name,
      isDraining: this.#isDraining,
      leaseMs,
      loopDelayMs: loopDelays.spread,
      flows,
    };
  }

  /**
   * Runs a flow: its traces in the partitions that are this worker's share, and its nodes with a placement that this
   * worker offers. A worker runs several flows, and several versions of one.
   *
   * @param options - `version` is chosen by people and stays the same for as long as running traces can be continued;
   *   @defaultValue `"1"`
   * @throws TypeError when the worker runs it already, or drains
   */
  run(flow: AnyFlow, options: { readonly version?: string | undefined; readonly resources?: unknown } = {}): this {
    const { version = FIRST_VERSION, resources } = options;
    requireVersion(version);
    const name = `${flow.name}@${version}`;
    if (this.#isDraining) throw new TypeError(`Cannot run "${name}": worker "${this.name}" drains`);
    const { offers, isPlacedOnly } = this.#settings;
    const segments = segmentsOf(flow);
    const offered = segments.filter(({ placement }) => offers.includes(placement));
    if (isPlacedOnly && offered.length === 0)
      throw new TypeError(
        `Cannot run "${name}": worker "${this.name}" runs placed nodes alone, and it offers none of its`,
      );
    const added = offered.map((one) => this.#group(flowOfNode(flow, one.node, one.name), version, resources, []));
    if (!isPlacedOnly) {
      const nodes = segments.map((segment) => homeNode(segment, version, this.#settings, this.#callingClient()));
      added.unshift(this.#group(flow, version, resources, nodes));
    }
    for (const { deployment } of added)
      if (this.#groups.has(nameOf(deployment)))
        throw new TypeError(`Cannot run "${nameOf(deployment)}" twice: give the other one a version`);
    for (const group of added) this.#groups.set(nameOf(group.deployment), group);
    if (!isPlacedOnly)
      for (const segment of segments)
        this.#needs.set(nameOf(this.#deployment(segment.name, version)), { ...segment, version });
    if (this.#stopBeating === undefined) this.#join();
    else this.#beat();
    return this;
  }

  #deployment(flow: string, version: string): Deployment {
    const { name: app, partitions, lanes } = this.#settings;
    return { app, flow, version, partitions, lanes };
  }

  #group(flow: AnyFlow, version: string, resources: unknown, nodes: readonly StandIn[]): Group {
    const deployment = this.#deployment(flow.name, version);
    return { deployment, flow, resources, nodes, releases: this.#releases, owners: new Map(), leaving: new Set() };
  }

  /** Returns the client that calls placed nodes. */
  #callingClient(): Client {
    return (this.#client ??= new Client(this.#settings));
  }

  /**
   * Leaves the cluster: hands every partition over, each once its handlers have finished or `drainMs` has passed.
   * The rest goes on elsewhere. Idempotent.
   */
  drain(): Promise<DrainReport> {
    return (this.#draining ??= this.#drain());
  }

  /** Drains. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  async #drain(): Promise<DrainReport> {
    this.#isDraining = true;
    this.#watching.abort();
    await this.#assigner.leave().catch((error: unknown) => this.#warn(error));
    const { backend, name } = this.#settings;
    // its card runs no flow from now on: the others take the partitions over while this one still empties the rest
    if (this.#stopBeating !== undefined) this.#beat();
    const groups = [...this.#groups];
    const held = new Map(groups.map(([group, one]) => [group, heldOf(one)]));
    const owners = groups.flatMap(([, group]) => [...group.owners.values()]);
    await Promise.all(owners.map((owner) => owner.leave()));
    await this.#lease[Symbol.asyncDispose]();
    await this.#client?.[Symbol.asyncDispose]();
    this.#endBeats();
    await this.#beats;
    for (const [group, one] of groups)
      await this.#note(group, one, held.get(group)!).catch((error: unknown) => this.#warn(error));
    for (const key of [membersPrefix(name) + this.name, drainKey(name, this.name)])
      await backend.registry.delete(key).catch((error: unknown) => this.#warn(error));
    this.#isDrained = true;
    const report = { partitions: owners.length };
    this.#drained.resolve(report);
    return report;
  }

  #endBeats(): void {
    if (this.#stopBeating === undefined) return;
    this.#stopBeating();
    loopDelays.unwatch();
  }

  #join(): void {
    const { name, leaseMs, machine } = this.#settings;
    this.#stopBeating = every(machine.clock, Math.min(leaseMs / 3, TELL_MS), () => this.#beatIfDue());
    loopDelays.watch();
    this.#beat();
    const { signal } = this.#watching;
    const asked = watch(this.#settings, drainKey(name, this.name), (key, value) => this.#hear(key, value), signal);
    const released = this.#releases.watch(signal, () => this.#bindDue());
    for (const one of [this.#assigner.watch(signal), asked, released, this.#records.watch(signal)])
      one.catch((error: unknown) => this.#warn(error));
  }

  /** Drains when this very worker is asked to, and not one of its name before it, nor one whose name only begins so. */
  #hear(key: string, value: string | undefined): void {
    if (value === undefined || key !== drainKey(this.#settings.name, this.name)) return;
    const { instance } = JSON.parse(value) as DrainRequest;
    if (instance !== this.#instance) return;
    this.#settings.logger.info("drain_requested", { member: this.name });
    this.drain().catch((error: unknown) => this.#warn(error));
  }

  /** Names the partitions whose leases it has. */
  #shares(): string {
    return [...this.#groups.values()].map((group) => heldOf(group).join()).join(";");
  }

  /** Tells a third of a lease after the last time, and when partitions were acquired or lost. */
  #beatIfDue(): void {
    const { leaseMs, machine } = this.#settings;
    const isDue = machine.clock.now() >= this.#beatAt + leaseMs / 3;
    if (isDue || this.#shares() !== this.#toldShares) this.#beat();
  }

  /** Has the ids of released flows bound to their versions, and tells it. */
  #bindDue(): void {
    if (this.#isDraining) return;
    for (const { deployment, owners } of this.#groups.values()) {
      if (this.#releases.of(deployment.flow) === undefined) continue;
      const due = [...owners.values()].filter(({ isBindingDue }) => isBindingDue);
      if (due.length === 0) continue;
      this.#bind(due).catch((error: unknown) => this.#warn(error));
    }
  }

  async #bind(owners: readonly PartitionOwner[]): Promise<void> {
    await Promise.all(owners.map((owner) => owner.bind()));
    if (!this.#isDraining) this.#beat();
  }

  /** Says that this member lives. */
  #beat(): void {
    this.#bindDue();
    const { backend, name, leaseMs, machine } = this.#settings;
    const card = JSON.stringify(this.#card());
    this.#toldShares = this.#shares();
    this.#meter.turn();
    loopDelays.turn(machine.clock.now());
    const put = async (): Promise<void> => {
      const sentAt = machine.clock.now();
      await backend.registry.put(membersPrefix(name) + this.name, card, { ttlMs: leaseMs * TTL_LEASES });
      this.#seenAt = sentAt;
      for (const [group, one] of this.#groups) await this.#note(group, one, heldOf(one));
      await this.#lookForPlacements();
      await this.#assigner.beat(this.#watching.signal);
    };
    this.#beats = this.#beats.then(put).catch((error: unknown) => this.#warn(error));
  }

  /** Makes known that placed nodes are needed, and says which no member runs for long. */
  async #lookForPlacements(): Promise<void> {
    const { leaseMs, logger, machine } = this.#settings;
    const now = machine.clock.now();
    for (const [group, { name, placement, version }] of this.#needs) {
      if (!this.#groups.has(group)) await this.#records.note(group, this.#deployment(name, version), [], []);
      // the assigner of many sees whether one is missing
      if (!this.#assigner.followsMembers) continue;
      if ([...this.#assigner.members.values()].some(({ runs }) => runs.includes(group))) {
        this.#missingSince.delete(group);
        continue;
      }
      const since = this.#missingSince.get(group);
      if (since === undefined) this.#missingSince.set(group, now);
      else if (now - since > MISSING_LEASES * leaseMs) {
        logger.error("placement_missing", { member: this.name, node: name, version, placement });
        // said again after as long a time
        this.#missingSince.set(group, now);
      }
    }
  }

  /** Brings the record of a flow up to date, by what this worker knows of itself and the others. */
  async #note(group: string, { deployment, owners }: Group, held: readonly number[]): Promise<void> {
    const others = [...this.#assigner.members].flatMap(([member, { figures }]) =>
      member === this.name || figures[group] === undefined ? [] : [figures[group]],
    );
    const lost = [...owners].flatMap(([partition, { wasLost }]) => (wasLost ? [indexOf(partition)] : []));
    const own = { held: held.filter((index) => !lost.includes(index)), inFlight: inFlightOf(owners.values()) };
    await this.#records.note(group, deployment, [own, ...others], lost);
  }

  #card(): MemberCard {
    const now = this.#settings.machine.clock.now();
    const seconds = Math.max(0.001, (now - this.#beatAt) / 1_000);
    const utilization = this.#utilization();
    this.#beatAt = now;
    const ended = new Map([...this.#groups.keys()].map((group) => [group, this.#meter.of(group).ended]));
    const deltas = new Map([...ended].map(([name, count]) => [name, count - (this.#endedBefore.get(name) ?? 0)]));
    const all = [...deltas.values()].reduce((sum, count) => sum + count, 0);
    this.#endedBefore = ended;
    const figures = Object.fromEntries(
      [...this.#groups].map(([name, group]): [string, MemberFigures] => {
        const delta = deltas.get(name)!;
        return [
          name,
          {
            inFlight: inFlightOf(group.owners.values()),
            endedPerSecond: round(delta / seconds),
            busy: round(all === 0 ? utilization / this.#groups.size : (utilization * delta) / all),
            held: heldOf(group),
          },
        ];
      }),
    );
    const runs = this.#isDraining ? [] : [...this.#groups.keys()];
    const binds = runs.filter((name) => {
      const { deployment, owners } = this.#groups.get(name)!;
      const held = [...owners.values()].filter(({ isHeld }) => isHeld);
      return this.#releases.of(deployment.flow) !== undefined && held.every((owner) => owner.binds);
    });
    return { instance: this.#instance, runs, isDraining: this.#isDraining, binds, figures };
  }

  #statusOf(name: string, group: Group): WorkerFlowStatus {
    const { deployment, owners, leaving } = group;
    const { acquired, ended, fenced, superseded, appends, open } = this.#meter.of(name);
    const sizes = [...open.values()].flatMap(({ size }) => size ?? []);
    return {
      flow: deployment.flow,
      version: deployment.version,
      partitions: deployment.partitions,
      assigned: [...owners.keys()].filter((partition) => !leaving.has(partition)).length,
      held: heldOf(group),
      inFlight: inFlightOf(owners.values()),
      undelivered: [...owners.values()].reduce((sum, { undelivered }) => sum + undelivered, 0),
      appendMs: appends.spread,
      acquired,
      ended,
      fenced,
      superseded,
      ...(sizes.length > 0 && {
        storedBytes: sizes.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
        liveBytes: sizes.reduce((sum, { liveBytes }) => sum + liveBytes, 0),
      }),
    };
  }

  /** Makes the owners those of the present members' assignment. */
  #reconcile(): void {
    if (this.#isDraining) return;
    for (const [name, group] of this.#groups) {
      const assigned = this.#assigner.assigned(name, group.deployment);
      // not known yet: what it has, it keeps
      if (assigned === undefined) continue;
      for (const [index, partition] of partitionNames(group.deployment).entries()) {
        if (assigned.has(index)) this.#acquire(group, partition, index);
        else this.#release(group, partition);
      }
    }
  }

  #acquire(group: Group, partition: string, index: number): void {
    const { owners, leaving } = group;
    if (owners.has(partition) || leaving.has(partition)) return;
    owners.set(partition, new PartitionOwner(this.#settings, group, index));
  }

  #release({ owners, leaving }: Group, partition: string): void {
    const owner = owners.get(partition);
    if (owner === undefined || leaving.has(partition)) return;
    leaving.add(partition);
    const left = (): void => {
      owners.delete(partition);
      leaving.delete(partition);
      // it may have been assigned again meanwhile
      this.#reconcile();
    };
    owner.leave().then(left, (error: unknown) => {
      this.#warn(error);
      left();
    });
  }

  #warn(error: unknown): void {
    this.#settings.logger.warn("cluster_member_failed", { member: this.name, error: errorPayload(error) });
  }
}

/** Returns the indices of the partitions whose lease a worker has. */
const heldOf = ({ owners }: Group): number[] =>
  [...owners].flatMap(([partition, { isHeld }]) => (isHeld ? [indexOf(partition)] : []));

function inFlightOf(owners: Iterable<PartitionOwner>): number {
  let sum = 0;
  for (const { inFlight } of owners) sum += inFlight;
  return sum;
}

const nameOf = ({ flow, version }: Deployment): string => `${flow}@${version}`;

const round = (value: number): number => Math.round(value * 1_000) / 1_000;
