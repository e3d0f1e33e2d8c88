import { errorPayload } from "penguiflow";
import { assign } from "../form/assignment.ts";
import { every } from "../form/machine.ts";
import { type Deployment, partitionNames } from "../form/place.ts";
import { type AnyFlow, PartitionOwner } from "./partition-owner.ts";
import type { WorkerSettings } from "./settings.ts";

/** Description of a member for the others. */
export interface MemberCard {
  /** Flows that it runs, with their versions: `orders@1`. */
  readonly runs: readonly string[];
  /** Figures of each, for autoscalers. */
  readonly figures: Readonly<Record<string, MemberFigures>>;
}

/** Figures of a flow on a member since the card before. */
export interface MemberFigures {
  readonly inFlight: number;
  /** Traces ended for each second. */
  readonly endedPerSecond: number;
  /** Share of the time in which the event loop was busy, shared out by ended traces. */
  readonly busy: number;
  /** Partitions that it holds. */
  readonly held: number;
}

/** Report on the end of a worker. */
export interface DrainReport {
  readonly partitions: number;
}

interface Group {
  readonly deployment: Deployment;
  readonly flow: AnyFlow;
  readonly resources: unknown;
  readonly owners: Map<string, PartitionOwner>;
  readonly leaving: Set<string>;
}

/** Time to live of a member, in leases. */
const TTL_LEASES = 1;

/** Prefix of the members' cards in the registry. */
export const membersPrefix = (app: string): string => `${app}/members/`;

/**
 * One process's share of a cluster: owns partitions of the flows that it runs. Made by `cluster(…).worker(…)`.
 */
export class Worker implements AsyncDisposable {
  readonly #settings: WorkerSettings;
  readonly #groups = new Map<string, Group>();
  readonly #members = new Map<string, MemberCard>();
  readonly #watching = new AbortController();
  readonly #utilization: () => number;
  #stopBeating: (() => void) | undefined;
  #draining: Promise<DrainReport> | undefined;
  #beats: Promise<unknown> = Promise.resolve();
  #endedBefore = new Map<string, number>();
  #beatAt: number;

  /** Internal: call `cluster(…).worker(…)`. */
  constructor(settings: object) {
    this.#settings = settings as WorkerSettings;
    const { machine } = this.#settings;
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
   * Runs a flow: its traces in the partitions that are this worker's share. A worker runs several flows, and several
   * versions of one.
   *
   * @param options - `version` is chosen by people and stays the same for as long as running traces can be continued;
   *   @defaultValue `"1"`
   * @throws TypeError when the worker runs it already, or drains
   */
  run(flow: AnyFlow, options: { readonly version?: string | undefined; readonly resources?: unknown } = {}): this {
    const { version = "1", resources } = options;
    const { name: app, partitions, lanes } = this.#settings;
    const name = `${flow.name}@${version}`;
    if (this.#draining !== undefined) throw new TypeError(`Cannot run "${name}": worker "${this.name}" drains`);
    if (this.#groups.has(name)) throw new TypeError(`Cannot run "${name}" twice: give the other one a version`);
    const deployment = { app, flow: flow.name, version, partitions, lanes };
    this.#groups.set(name, { deployment, flow, resources, owners: new Map(), leaving: new Set() });
    if (this.#stopBeating === undefined) this.#join();
    else this.#beat();
    return this;
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
    this.#stopBeating?.();
    this.#watching.abort();
    await this.#beats;
    const { registry } = this.#settings.backend;
    // the others take the partitions over while this one still empties the rest
    await registry.delete(membersPrefix(this.#settings.name) + this.name).catch((error: unknown) => this.#warn(error));
    const owners = [...this.#groups.values()].flatMap((group) => [...group.owners.values()]);
    await Promise.all(owners.map((owner) => owner.leave()));
    return { partitions: owners.length };
  }

  #join(): void {
    const { backend, name, leaseMs, machine } = this.#settings;
    const prefix = membersPrefix(name);
    this.#stopBeating = every(machine.clock, leaseMs / 3, () => this.#beat());
    this.#beat();
    const watching = backend.registry.watch(
      prefix,
      (key, value) => {
        const member = key.slice(prefix.length);
        if (value === undefined) this.#members.delete(member);
        else this.#members.set(member, JSON.parse(value) as MemberCard);
        this.#reconcile();
      },
      this.#watching.signal,
    );
    watching.catch((error: unknown) => this.#warn(error));
  }

  /** Says that this member lives. */
  #beat(): void {
    const { backend, name, leaseMs } = this.#settings;
    const card = JSON.stringify(this.#card());
    const put = (): Promise<unknown> =>
      backend.registry.put(membersPrefix(name) + this.name, card, { ttlMs: leaseMs * TTL_LEASES });
    this.#beats = this.#beats.then(put).catch((error: unknown) => this.#warn(error));
  }

  #card(): MemberCard {
    const now = this.#settings.machine.clock.now();
    const seconds = Math.max(0.001, (now - this.#beatAt) / 1_000);
    const utilization = this.#utilization();
    this.#beatAt = now;
    const ended = new Map<string, number>();
    for (const [name, { owners }] of this.#groups)
      ended.set(
        name,
        [...owners.values()].reduce((sum, { figures }) => sum + figures.ended, 0),
      );
    const deltas = new Map([...ended].map(([name, count]) => [name, count - (this.#endedBefore.get(name) ?? 0)]));
    const all = [...deltas.values()].reduce((sum, count) => sum + count, 0);
    this.#endedBefore = ended;
    const figures = Object.fromEntries(
      [...this.#groups].map(([name, { owners }]) => {
        const list = [...owners.values()];
        const delta = deltas.get(name)!;
        return [
          name,
          {
            inFlight: list.reduce((sum, owner) => sum + owner.figures.inFlight, 0),
            endedPerSecond: round(delta / seconds),
            busy: round(all === 0 ? utilization / this.#groups.size : (utilization * delta) / all),
            held: list.filter(({ isOpen }) => isOpen).length,
          },
        ];
      }),
    );
    return { runs: [...this.#groups.keys()], figures };
  }

  /** Makes the owners those of the present members' assignment. */
  #reconcile(): void {
    if (this.#draining !== undefined) return;
    for (const [name, group] of this.#groups) {
      const members = [...this.#members].filter(([, { runs }]) => runs.includes(name)).map(([member]) => member);
      // without its own card it is about to write one: what it has, it keeps
      if (!members.includes(this.name)) continue;
      const names = partitionNames(group.deployment);
      const assigned = assign(names, members);
      for (const [index, partition] of names.entries()) {
        if (assigned.get(partition) === this.name) this.#acquire(group, partition, index);
        else this.#release(group, partition);
      }
    }
  }

  #acquire({ owners, leaving, flow, resources }: Group, partition: string, index: number): void {
    if (owners.has(partition) || leaving.has(partition)) return;
    owners.set(partition, new PartitionOwner(this.#settings, flow, resources, partition, index));
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

const round = (value: number): number => Math.round(value * 1_000) / 1_000;
