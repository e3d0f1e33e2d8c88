import { type DrainRequest, drainKey, type MemberCard, membersPrefix } from "../form/registry-keys.ts";
import type { ClusterSettings } from "../worker/settings.ts";
import { readMembers } from "./read-registry.ts";

/** Report on a drain that was asked for from elsewhere. */
export interface RemoteDrainReport {
  readonly member: string;
  /** Whether it has left. */
  readonly isDrained: boolean;
  /** Number of partitions that it held when it was asked. */
  readonly partitions: number;
  /** Number of partitions that it still holds. */
  readonly left: number;
  readonly tookMs: number;
}

/** Milliseconds for which a request outlasts the wait: a member that is cut off finds it later. */
const LONGER_MS = 60_000;

/**
 * Asks a member to drain, and waits until it has left.
 *
 * @throws TypeError when there is no member of that name
 */
export async function requestDrain(
  { name, backend, machine }: ClusterSettings,
  member: string,
  timeoutMs: number,
): Promise<RemoteDrainReport> {
  const { registry } = backend;
  const cards = await readMembers(registry, name);
  const card = cards.get(member);
  if (card === undefined) {
    const there = cards.size === 0 ? "it has no members" : `its members are ${[...cards.keys()].toSorted().join(", ")}`;
    throw new TypeError(`Cannot drain "${member}": cluster "${name}" has no such member; ${there}`);
  }
  const { clock } = machine;
  const startedAt = clock.now();
  let last: MemberCard | undefined = card;
  let partitions = heldBy(card);
  const { promise: isOver, resolve: end } = Promise.withResolvers<void>();
  const watching = new AbortController();
  const key = membersPrefix(name) + member;
  const cancel = clock.setTimer(end, timeoutMs);
  try {
    const hear = (changed: string, value: string | undefined): void => {
      if (changed !== key) return;
      const next = value === undefined ? undefined : (JSON.parse(value) as MemberCard);
      // another of the same name may have taken its place
      last = next?.instance === card.instance ? next : undefined;
      if (last === undefined) end();
      else partitions = Math.max(partitions, heldBy(last));
    };
    await registry.watch(key, hear, watching.signal);
    const request: DrainRequest = { instance: card.instance };
    await registry.put(drainKey(name, member), JSON.stringify(request), { ttlMs: timeoutMs + LONGER_MS });
    await isOver;
  } finally {
    cancel();
    watching.abort();
  }
  return {
    member,
    isDrained: last === undefined,
    partitions,
    left: last === undefined ? 0 : heldBy(last),
    tookMs: clock.now() - startedAt,
  };
}

const heldBy = ({ figures }: MemberCard): number =>
  Object.values(figures).reduce((sum, { held }) => sum + held.length, 0);
