import type { ResultKey } from "penguiflow/adapter";
import { inboxOf } from "./command.ts";
import { type Deployment, spread } from "./place.ts";

/** The released versions of a flow, as the registry has them. */
export interface Release {
  /** Version that takes new traces. */
  readonly active: string;
  /** Version that takes a share of the new traces. */
  readonly canary?: Canary | undefined;
  /** Versions that take no new traces, and since when, in epoch milliseconds. */
  readonly draining: Readonly<Record<string, number>>;
  /** Versions that ran before ids were bound to versions: their outcomes are looked for until then. */
  readonly early?: { readonly versions: readonly string[]; readonly until: number } | undefined;
  /** Whether workers of those versions may still accept ids without binding them. */
  readonly isUnbound?: boolean | undefined;
}

export interface Canary {
  readonly version: string;
  /** Between 0 and 1. */
  readonly share: number;
}

/** Version of a flow that was never released. */
export const FIRST_VERSION = "1";

/** Returns all versions of a release. */
export function versionsOf({ active, canary, draining }: Release): readonly string[] {
  return [active, ...(canary === undefined ? [] : [canary.version]), ...Object.keys(draining)];
}

/** Returns the versions in which an id may have an outcome from before ids were bound to versions. */
export function earlyVersions(release: Release | undefined, epochNow: number): readonly string[] {
  const { versions = [], until = 0 } = release?.early ?? {};
  return until < epochNow ? [] : versions;
}

/** Returns the version for a new trace: the same for all callers of an id. */
export function versionFor({ active, canary }: Release, tenant: string, id: string): string {
  if (canary === undefined) return active;
  return spread(`canary\u0000${tenant}\u0000${id}`) < canary.share * 2 ** 32 ? canary.version : active;
}

/** Returns the share of the new traces that a version takes; `undefined` for a flow that was never released. */
export function shareOf(release: Release | undefined, version: string): number | undefined {
  if (release === undefined) return undefined;
  const { active, canary } = release;
  if (version === canary?.version) return canary.share;
  return version === active ? 1 - (canary?.share ?? 0) : 0;
}

/** Makes an id that says which client has made it, and for which version. */
export function generatedId(inbox: string, count: number, version: string): string {
  return `${inbox}.${count}.${version}`;
}

/** Returns the version for which a client has made an id; `undefined` for an id that a caller has given. */
export function versionOfId(id: string): string | undefined {
  return inboxOf(id) === undefined ? undefined : /^[^.]+\.\d+\.(.+)$/.exec(id)?.[1];
}

/** Returns the key of the record that binds an id: one for all versions. */
export function bindingKey({ app, flow }: Deployment, tenant: string, id: string): ResultKey {
  return { partition: `${app}/${flow}/ids`, tenant, id };
}

/** @throws TypeError */
export function requireVersion(version: string): void {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(version))
    throw new TypeError(`A version must be 1 to 64 of "A-Z a-z 0-9 _ . -": got ${JSON.stringify(version)}`);
}
