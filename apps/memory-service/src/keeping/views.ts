import type { Fragment } from "../fragment.ts";
import type { StoredFragment } from "../store/fragment-rows.ts";
import type { Rows } from "../store/rows.ts";
import type { Viewer } from "../store/sight.ts";
import { strengthAt } from "../strength.ts";

/**
 * Returns fragments as a viewer sees them. A fragment's conversation is told to its owner alone; the newer one that
 * hides it, to viewers who may see that one.
 */
export async function viewsOf(
  rows: Rows,
  viewer: Viewer,
  fragments: readonly StoredFragment[],
  now: number,
): Promise<Fragment[]> {
  const newer = fragments.flatMap(({ supersededBy }) => (supersededBy === undefined ? [] : [supersededBy]));
  const seen = new Set((await rows.fragments.forViewer(viewer, newer, now)).map(({ id }) => id));
  return fragments.map((fragment) => viewOf(rows.tenant, viewer, fragment, now, seen));
}

function viewOf(
  tenant: string,
  viewer: Viewer,
  fragment: StoredFragment,
  now: number,
  seen: ReadonlySet<string>,
): Fragment {
  const { id, text, owner, level, role, source, conversation, position, saidAt, createdAt, supersededBy } = fragment;
  const isOwner = viewer.tenant === tenant && viewer.user === owner;
  return {
    id,
    text,
    owner,
    ...(viewer.tenant === tenant ? {} : { tenant }),
    level,
    role,
    ...(source === undefined ? {} : { source }),
    ...(isOwner && conversation !== undefined ? { conversation, position } : {}),
    saidAt,
    createdAt,
    strength: strengthAt(fragment, now),
    ...(supersededBy !== undefined && seen.has(supersededBy) ? { supersededBy } : {}),
  };
}
