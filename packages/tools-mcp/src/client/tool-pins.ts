import type { Caller } from "@penguiflow/planner";

/** The place of a pin: a tool of a source, as one user of a tenant knows it. */
export interface PinKey {
  readonly source: string;
  /** The server's name of the tool. */
  readonly tool: string;
  readonly tenant: string;
  /** Absent where all users of a tenant share a connection. */
  readonly user?: string | undefined;
}

/**
 * Keeps the digests of the tools that callers have used. A server may swap a description after an approval: a tool whose
 * digest is no longer the kept one asks before its next call. A port: a store that outlasts the process keeps the
 * protection across restarts.
 */
export interface ToolPins {
  /** Returns the kept digest. */
  read(key: PinKey): Promise<string | undefined>;
  /** Keeps a digest in place of an earlier one. */
  write(key: PinKey, digest: string): Promise<void>;
}

/** Keeps digests in memory. The oldest of more than 100 000 is forgotten. */
export class MemoryToolPins implements ToolPins {
  readonly #digests = new Map<string, string>();

  /** Returns the kept digest. */
  async read(key: PinKey): Promise<string | undefined> {
    return this.#digests.get(placeOf(key));
  }

  /** Keeps a digest in place of an earlier one. */
  async write(key: PinKey, digest: string): Promise<void> {
    const place = placeOf(key);
    this.#digests.delete(place);
    this.#digests.set(place, digest);
    if (this.#digests.size <= MAX_PINS) return;
    const [oldest] = this.#digests.keys();
    if (oldest !== undefined) this.#digests.delete(oldest);
  }
}

const MAX_PINS = 100_000;

const placeOf = ({ source, tool, tenant, user }: PinKey): string =>
  JSON.stringify([source, tool, tenant, user ?? null]);

/** Returns the place of a tool's pin for a caller. */
export function pinOf(source: string, tool: string, { tenant, user }: Caller, isPerUser: boolean): PinKey {
  return { source, tool, tenant, ...(isPerUser && user !== undefined ? { user } : {}) };
}
