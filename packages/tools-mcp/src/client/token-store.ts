/**
 * Keeps what signing in needs: tokens, registrations of this program, and sign-ins in progress. Values are JSON text that
 * contains secrets: encrypt them at rest. A port: with a store that processes share, another process can take the
 * callback.
 */
export interface TokenStore {
  /** Returns the value of a key, unless it has expired. */
  read(key: string): Promise<string | undefined>;
  /** Keeps a value in place of an earlier one, until `expiresAt` (epoch milliseconds) if that is given. */
  write(key: string, value: string, expiresAt?: number): Promise<void>;
  /** Returns the value of a key and deletes it, in one step: of several callers one receives it. */
  take(key: string): Promise<string | undefined>;
  /** Deletes the value of a key, if there is one. */
  delete(key: string): Promise<void>;
}

/** Keeps tokens in memory. Expired values are dropped when a value is written. */
export class MemoryTokenStore implements TokenStore {
  readonly #values = new Map<string, { readonly value: string; readonly expiresAt: number }>();
  readonly #epochNow: () => number;

  constructor({
    clock = { epochNow: () => Date.now() },
  }: { readonly clock?: { epochNow(): number } | undefined } = {}) {
    this.#epochNow = () => clock.epochNow();
  }

  /** Returns the value of a key, unless it has expired. */
  async read(key: string): Promise<string | undefined> {
    const kept = this.#values.get(key);
    return kept === undefined || kept.expiresAt <= this.#epochNow() ? undefined : kept.value;
  }

  /** Keeps a value, until `expiresAt` if that is given. */
  async write(key: string, value: string, expiresAt = Number.POSITIVE_INFINITY): Promise<void> {
    const now = this.#epochNow();
    for (const [other, kept] of this.#values) if (kept.expiresAt <= now) this.#values.delete(other);
    this.#values.set(key, { value, expiresAt });
  }

  /** Returns the value of a key and deletes it. */
  async take(key: string): Promise<string | undefined> {
    const value = await this.read(key);
    this.#values.delete(key);
    return value;
  }

  /** Deletes the value of a key, if there is one. */
  async delete(key: string): Promise<void> {
    this.#values.delete(key);
  }
}
