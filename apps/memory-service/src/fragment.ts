import type { MemoryEventType } from "./event-type.ts";

/** Levels of sight: the owner; every user of the tenant; the owner and those with a grant. */
export const LEVELS = ["private", "tenant", "shared"] as const;

/** Level of sight of a fragment. */
export type Level = (typeof LEVELS)[number];

/** Roles of the speaker of a fragment. */
export const ROLES = ["user", "assistant", "tool", "note"] as const satisfies readonly Role[];

/** Role of the speaker of a fragment. */
export type Role = "user" | "assistant" | "tool" | "note";

/** A text that was said or produced, kept verbatim, as a principal may see it. */
export interface Fragment {
  readonly id: string;
  readonly text: string;
  /** The user to whom it belongs. */
  readonly owner: string;
  /** The tenant to which it belongs, when that is another than the principal's. */
  readonly tenant?: string | undefined;
  readonly level: Level;
  readonly role: Role;
  /** The speaker or tool, as the caller named it. */
  readonly source?: string | undefined;
  readonly conversation?: string | undefined;
  /** Order within the conversation, from 0. */
  readonly position?: number | undefined;
  /** Epoch milliseconds at which it was said. */
  readonly saidAt: number;
  /** Epoch milliseconds at which it was kept. */
  readonly createdAt: number;
  /** From 0 to 1, decayed to now. */
  readonly strength: number;
  /** The newer fragment that hides it, when the principal may see that one. */
  readonly supersededBy?: string | undefined;
}

/** Permission for one user to see one fragment. */
export interface Grant {
  readonly tenant: string;
  readonly user: string;
  readonly createdAt: number;
  /** Epoch milliseconds at which it ends. @defaultValue never */
  readonly expiresAt?: number | undefined;
}

/** A fact of the event log, as the fragment's owner sees it. */
export interface MemoryEvent {
  /** Position in the answer's order, for tools that list: the instant. */
  readonly at: number;
  readonly type: MemoryEventType;
  /** The fragment; absent once it is erased. */
  readonly fragment?: string | undefined;
  /** The cause: a user, `tenant/user` for one of another tenant, or `worker`. */
  readonly actor: string;
  readonly traceId: string;
  readonly detail: Readonly<Record<string, string | number | boolean>>;
}

/** A fragment with what only its owner may know. */
export interface FragmentDetail extends Fragment {
  /** The fragments before and after it in its conversation that the principal may see. */
  readonly neighbours: readonly Fragment[];
  /** The grants; empty to anyone but the owner. */
  readonly grants: readonly Grant[];
  /** The latest facts about it, newest first; empty to anyone but the owner. */
  readonly history: readonly MemoryEvent[];
}
