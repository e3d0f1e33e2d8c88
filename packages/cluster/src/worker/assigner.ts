import { assign } from "../form/assignment.ts";
import { type Deployment, partitionNames } from "../form/place.ts";
import {
  assignerKey,
  assignersPrefix,
  assignmentsPrefix,
  type MemberCard,
  membersPrefix,
} from "../form/registry-keys.ts";
import { watch } from "../form/watch.ts";
import type { WorkerSettings } from "./settings.ts";

/** Indices of the partitions of each member. */
type Assignment = Readonly<Record<string, readonly number[]>>;

/** Members above which one of them assigns for all, and up to which each goes on by itself. */
const MOST = 50;
const FEWEST = 40;

/**
 * Knows which partitions a worker is to have. Few members follow one another, and each computes the same assignment. Of
 * many, the one that holds the assigner's key does, and the others follow what it writes: reading all members is
 * quadratic. An assignment may be old or wrong: leases keep that harmless.
 */
export class Assigner {
  readonly #settings: WorkerSettings;
  readonly #onChange: () => void;
  readonly #members = new Map<string, MemberCard>();
  /** Written assignments, by flow and version. */
  readonly #written = new Map<string, string>();
  #isHeldByAnother = false;
  /** Revision of the assigner's key, while this member holds it. */
  #revision: number | undefined;
  /** Ends the following of members. */
  #following: AbortController | undefined;

  constructor(settings: WorkerSettings, onChange: () => void) {
    this.#settings = settings;
    this.#onChange = onChange;
  }

  /** Cards of the members, as far as this one follows them. */
  get members(): ReadonlyMap<string, MemberCard> {
    return this.#members;
  }

  /** Whether this member follows the others. */
  get followsMembers(): boolean {
    return this.#following !== undefined;
  }

  /** Follows the assignment until the signal aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    const { name } = this.#settings;
    const prefix = assignmentsPrefix(name);
    let isTold = false;
    await watch(
      this.#settings,
      assignersPrefix(name),
      (key, value) => {
        if (key === assignerKey(name)) this.#isHeldBy(value);
        else if (value === undefined) this.#written.delete(key.slice(prefix.length));
        else this.#written.set(key.slice(prefix.length), value);
        if (isTold) this.#follow(signal);
        this.#onChange();
      },
      signal,
    );
    isTold = true;
    this.#follow(signal);
  }

  /** Returns the indices of the partitions that this member is to have; `undefined` as long as that is not known. */
  assigned(group: string, deployment: Deployment): ReadonlySet<number> | undefined {
    const { member } = this.#settings;
    const written = this.#written.get(group);
    if (written !== undefined) return new Set((JSON.parse(written) as Assignment)[member]);
    const members = this.#running(group);
    if (this.#written.size > 0 || !members.includes(member)) return undefined;
    const assigned = assign(partitionNames(deployment), members);
    return new Set([...assigned.values()].flatMap((owner, index) => (owner === member ? [index] : [])));
  }

  /** Holds the assigner's key if no other member does, and brings what it has written up to date. */
  async beat(signal: AbortSignal): Promise<void> {
    const { backend, leaseMs, member, name } = this.#settings;
    if (this.#isHeldByAnother || signal.aborted) return;
    const revision = this.#revision ?? 0;
    const answer = await backend.registry.put(assignerKey(name), member, { revision, ttlMs: leaseMs });
    this.#revision = answer === "conflict" ? undefined : answer;
    this.#follow(signal);
    if (this.#revision !== undefined && this.followsMembers) await this.#write();
  }

  /** Lets another member be the assigner. */
  async leave(): Promise<void> {
    this.#following?.abort();
    this.#following = undefined;
    if (this.#revision === undefined) return;
    this.#revision = undefined;
    await this.#settings.backend.registry.delete(assignerKey(this.#settings.name));
  }

  #isHeldBy(member: string | undefined): void {
    this.#isHeldByAnother = member !== undefined && member !== this.#settings.member;
    if (this.#isHeldByAnother) this.#revision = undefined;
  }

  /** Begins or ends to follow the members. */
  #follow(signal: AbortSignal): void {
    const isWanted = !signal.aborted && (this.#written.size === 0 || this.#revision !== undefined);
    if (isWanted === this.followsMembers) return;
    if (!isWanted) {
      this.#following?.abort();
      this.#following = undefined;
      this.#members.clear();
      return;
    }
    const following = new AbortController();
    this.#following = following;
    const prefix = membersPrefix(this.#settings.name);
    const tell = (key: string, value: string | undefined): void => {
      const member = key.slice(prefix.length);
      if (value === undefined) this.#members.delete(member);
      else this.#members.set(member, JSON.parse(value) as MemberCard);
      this.#onChange();
    };
    // a registry that cannot be read is tried again until it can
    void watch(this.#settings, prefix, tell, AbortSignal.any([signal, following.signal]));
  }

  /** Writes the assignments for many members; removes them when there are few. */
  async #write(): Promise<void> {
    const { backend, lanes, name: app, partitions } = this.#settings;
    const { registry } = backend;
    const count = this.#members.size;
    if (count <= FEWEST) {
      for (const group of this.#written.keys()) await registry.delete(assignmentsPrefix(app) + group);
      return;
    }
    if (count <= MOST && this.#written.size === 0) return;
    const groups = new Set([...this.#members.values()].flatMap(({ runs }) => runs));
    for (const group of groups) {
      const at = group.lastIndexOf("@");
      const deployment = { app, flow: group.slice(0, at), version: group.slice(at + 1), partitions, lanes };
      const indices: Record<string, number[]> = {};
      let index = 0;
      for (const owner of assign(partitionNames(deployment), this.#running(group)).values()) {
        (indices[owner] ??= []).push(index);
        index += 1;
      }
      const text = JSON.stringify(indices satisfies Assignment);
      if (this.#written.get(group) !== text) await registry.put(assignmentsPrefix(app) + group, text);
    }
    for (const group of this.#written.keys())
      if (!groups.has(group)) await registry.delete(assignmentsPrefix(app) + group);
  }

  #running(group: string): string[] {
    return [...this.#members].filter(([, { runs }]) => runs.includes(group)).map(([member]) => member);
  }
}
