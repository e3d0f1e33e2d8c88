import type { Level } from "../fragment.ts";
import type { Clause } from "./sql.ts";

/** The user for whom rows are read: tenant and name, proven by a principal. */
export interface Viewer {
  readonly tenant: string;
  readonly user: string;
}

/** Restrictions of a search or list, beside sight. */
export interface FragmentFilter {
  readonly level?: Level | undefined;
  readonly owner?: string | undefined;
  readonly conversation?: string | undefined;
  /** Epoch milliseconds: said at that instant or later. */
  readonly since?: number | undefined;
  /** Epoch milliseconds: said before that instant. */
  readonly until?: number | undefined;
}

/**
 * Returns the clause that holds for exactly the fragments `f` of tenant `tenant` that the viewer may see at `now`: the
 * only statement of law M2, part of every query that reads for a viewer.
 */
export function sightOf(viewer: Viewer, tenant: string, now: number): Clause {
  const granted = `f.level = 'shared' and exists (select 1 from share_grant g where g.seq = f.seq
    and g.grantee_tenant = ? and g.grantee_user = ? and (g.expires_at is null or g.expires_at > ?))`;
  const values = [viewer.tenant, viewer.user, now];
  if (viewer.tenant !== tenant) return { text: granted, values };
  return { text: `f.user_id = ? or f.level = 'tenant' or (${granted})`, values: [viewer.user, ...values] };
}

/** Returns the clauses of a filter. */
export function filterOf(filter: FragmentFilter): Clause[] {
  const clauses: Clause[] = [];
  const add = (text: string, value: string | number | undefined): void => {
    if (value !== undefined) clauses.push({ text, values: [value] });
  };
  add("f.level = ?", filter.level);
  add("f.user_id = ?", filter.owner);
  add("f.conversation = ?", filter.conversation);
  add("f.said_at >= ?", filter.since);
  add("f.said_at < ?", filter.until);
  return clauses;
}
