import type { Grant } from "../fragment.ts";
import type { StoredFragment } from "../store/fragment-rows.ts";
import { digest } from "../text/digest.ts";

/** Returns the canonical form of grants: equal for equal grantees and ends. */
export function grantKeyOf(grants: readonly Grant[]): string {
  if (grants.length === 0) return "";
  return digest(
    grants
      .map(({ tenant, user, expiresAt }) => `${tenant}/${user}@${expiresAt ?? ""}`)
      .sort()
      .join(" "),
  );
}

/**
 * Returns the group of fragments that exactly the same viewers may see (law M6). Only within a group may one fragment
 * influence how another is found or ordered.
 */
export function sightGroup({ owner, level, grantKey }: Pick<StoredFragment, "owner" | "level" | "grantKey">): string {
  return `${owner}\0${level}\0${grantKey}`;
}
