import { FlowError, FlowErrorCode } from "penguiflow";
import { type Registry, requireNumber } from "penguiflow/adapter";
import { sleep } from "../form/machine.ts";
import { type DeploymentRecord, deploymentsPrefix, releaseKey } from "../form/registry-keys.ts";
import { FIRST_VERSION, type Release, requireVersion, versionsOf } from "../form/release.ts";
import type { ClusterSettings } from "../worker/settings.ts";
import { readAll, readMembers } from "./read-registry.ts";

/** Options of a release. */
export interface ReleaseOptions {
  /**
   * Share of the new traces that the version takes, more than 0 and less than 1; the active version takes the rest.
   * @defaultValue all: the version becomes the active one
   */
  readonly share?: number | undefined;
  /** Milliseconds that workers have to bind given ids, before the first release of a second version. @defaultValue 60000 */
  readonly timeoutMs?: number | undefined;
}

/** Milliseconds between two looks at the members. */
const LOOK_MS = 100;
/** Tries to store a release that others change at the same time. */
const TRIES = 20;

/** Makes a version of a flow take new traces. */
export async function writeRelease(
  settings: ClusterSettings,
  flow: string,
  version: string,
  { share, timeoutMs = 60_000 }: ReleaseOptions,
): Promise<void> {
  requireVersion(version);
  requireNumber("timeoutMs", timeoutMs, 0);
  if (share !== undefined && !(share > 0 && share < 1))
    throw new RangeError(`Option "share" of release must be more than 0 and less than 1: got ${share}`);
  const { backend, name, machine } = settings;
  const key = releaseKey(name, flow);
  await requireWorker(backend.registry, name, flow, version);
  for (let tries = 0; tries < TRIES; tries += 1) {
    const entry = await backend.registry.get(key);
    if (entry === undefined) {
      const first = await firstRelease(settings, flow, version);
      await backend.registry.put(key, JSON.stringify(first), { revision: 0 });
      continue;
    }
    const before = JSON.parse(entry.value) as Release;
    if (before.isUnbound === true) await whenBound(settings, flow, before, timeoutMs);
    const release = nextRelease(before, version, share, machine.clock.epochNow());
    if ((await backend.registry.put(key, JSON.stringify(release), { revision: entry.revision })) !== "conflict") return;
  }
  throw refused(flow, version, "others release versions of it at the same time; try again");
}

/** Returns the release of a flow as it is: its workers begin to bind ids to their versions once it is there. */
async function firstRelease(
  { backend, name, keepMs, machine }: ClusterSettings,
  flow: string,
  version: string,
): Promise<Release> {
  const [records, cards] = await Promise.all([
    readAll<DeploymentRecord>(backend.registry, deploymentsPrefix(name)),
    readMembers(backend.registry, name),
  ]);
  const groups = [...records.keys(), ...[...cards.values()].flatMap(({ figures }) => Object.keys(figures))];
  const known = groups.filter((group) => group.startsWith(`${flow}@`)).map((group) => group.slice(flow.length + 1));
  const versions = [...new Set([...known, version])];
  const active = versions.includes(FIRST_VERSION) ? FIRST_VERSION : version;
  const now = machine.clock.epochNow();
  const others = versions.filter((other) => other !== active && other !== version);
  return {
    active,
    draining: Object.fromEntries(others.map((other) => [other, now])),
    early: { versions, until: now + keepMs },
    isUnbound: true,
  };
}

function nextRelease(before: Release, version: string, share: number | undefined, now: number): Release {
  const { early } = before;
  const active = share === undefined ? version : before.active;
  if (share !== undefined && version === active)
    throw new TypeError(
      `Cannot release a share of version "${version}": it is active, and takes the rest of any share`,
    );
  const left = versionsOf(before).filter((other) => other !== active && other !== version);
  return {
    active,
    ...(share !== undefined && { canary: { version, share } }),
    draining: Object.fromEntries(left.map((other) => [other, before.draining[other] ?? now])),
    ...(early !== undefined && early.until > now && { early }),
  };
}

async function requireWorker(registry: Registry, app: string, flow: string, version: string): Promise<void> {
  const cards = await readMembers(registry, app);
  const group = `${flow}@${version}`;
  if ([...cards.values()].some(({ runs }) => runs.includes(group))) return;
  throw refused(flow, version, "no worker runs it; start its workers first");
}

/** Waits until all ids in flight are bound to their versions, and those of new messages will be. */
async function whenBound(
  { backend, leaseMs, name, machine, partitions }: ClusterSettings,
  flow: string,
  release: Release,
  timeoutMs: number,
): Promise<void> {
  const until = machine.clock.now() + timeoutMs;
  const absentSince = new Map<string, number>();
  for (;;) {
    const [cards, records] = await Promise.all([
      readMembers(backend.registry, name),
      readAll<DeploymentRecord>(backend.registry, deploymentsPrefix(name)),
    ]);
    const waits: string[] = [];
    for (const version of new Set([...versionsOf(release), ...(release.early?.versions ?? [])])) {
      const group = `${flow}@${version}`;
      const members = [...cards].filter(([, { figures }]) => group in figures);
      for (const [member, { binds }] of members)
        if (!binds.includes(group)) waits.push(`worker "${member}" does not bind the ids of ${group} yet`);
      const held = new Set(members.flatMap(([, { figures }]) => figures[group]!.held));
      if (members.length > 0) absentSince.delete(group);
      else if (!absentSince.has(group)) absentSince.set(group, machine.clock.now());
      // a member whose card is late may still have its partitions: not for longer than its leases
      const isGone = machine.clock.now() - (absentSince.get(group) ?? Infinity) > 2 * leaseMs;
      if (held.size < partitions && !(isGone && records.get(group)?.isIdle !== false))
        waits.push(`${partitions - held.size} partitions of ${group} have no owner, and may have ids in flight`);
    }
    if (waits.length === 0) return;
    if (machine.clock.now() > until) throw refused(flow, release.active, waits.join("; "));
    await sleep(machine.clock, LOOK_MS);
  }
}

function refused(flow: string, version: string, why: string): FlowError {
  return new FlowError({
    code: FlowErrorCode.RELEASE_REFUSED,
    message: `Cannot release version "${version}" of flow "${flow}": ${why}`,
    retryable: true,
  });
}
