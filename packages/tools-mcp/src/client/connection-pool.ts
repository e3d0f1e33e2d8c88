import { type Clock, FlowError, FlowErrorCode } from "penguiflow";
import type { Connection } from "./connection.ts";
import { isConnectionLost } from "./failures.ts";
import { unlessAborted } from "./unless-aborted.ts";

/** Options of a {@link ConnectionPool}. */
export interface PoolOptions {
  readonly source: string;
  readonly idleMs: number;
  readonly maxConnections: number;
  readonly clock: Clock;
}

/** A connection of the pool. `cancelIdle` is set while no call uses it. */
interface Place {
  readonly opening: Promise<Connection>;
  uses: number;
  cancelIdle: (() => void) | undefined;
}

/**
 * Connections by key, each shared by the calls with that key.
 *
 * States of a connection: opening → used ↔ idle → closed (idle for too long, the longest idle one when the pool is full,
 * lost, or with the pool).
 */
export class ConnectionPool {
  readonly #options: PoolOptions;
  /** Least recently used first. */
  readonly #places = new Map<string, Place>();
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Number of connections. */
  get size(): number {
    return this.#places.size;
  }

  /** Calls `work` with the connection of a key, which is opened if there is none. */
  async use<Value>(
    key: string,
    signal: AbortSignal,
    open: (onClosed: () => void) => Promise<Connection>,
    work: (connection: Connection) => Promise<Value>,
  ): Promise<Value> {
    signal.throwIfAborted();
    const place = this.#places.get(key) ?? this.#open(key, open);
    // the last used one is the last to go
    this.#places.delete(key);
    this.#places.set(key, place);
    place.cancelIdle?.();
    place.cancelIdle = undefined;
    place.uses += 1;
    try {
      const connection = await unlessAborted(place.opening, signal);
      return await work(connection);
    } catch (error) {
      if (isConnectionLost(error)) this.#remove(key, place);
      throw error;
    } finally {
      place.uses -= 1;
      if (place.uses === 0) this.#rest(key, place);
    }
  }

  /** Closes all connections for good. Calls that use them fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.reset();
  }

  /** Closes all connections. Calls that use them fail; the next use opens others. */
  async reset(): Promise<void> {
    const places = [...this.#places.values()];
    this.#places.clear();
    await Promise.all(places.map(close));
  }

  #open(key: string, open: (onClosed: () => void) => Promise<Connection>): Place {
    const { source, maxConnections } = this.#options;
    if (this.#isClosed) throw refused(source, "the source is closed; create another one");
    if (this.#places.size >= maxConnections) this.#closeLongestIdle();
    const place: Place = { opening: open(() => this.#remove(key, place)), uses: 0, cancelIdle: undefined };
    place.opening.catch(() => this.#remove(key, place));
    return place;
  }

  #closeLongestIdle(): void {
    for (const [key, place] of this.#places) if (place.uses === 0) return this.#remove(key, place);
    const { source, maxConnections } = this.#options;
    throw refused(source, `all ${maxConnections} connections are in use; raise "maxConnections"`);
  }

  #rest(key: string, place: Place): void {
    const { clock, idleMs } = this.#options;
    if (this.#places.get(key) === place) place.cancelIdle = clock.setTimer(() => this.#remove(key, place), idleMs);
    else void close(place);
  }

  #remove(key: string, place: Place): void {
    if (this.#places.get(key) === place) this.#places.delete(key);
    // one in use is closed after its last call
    if (place.uses === 0) void close(place);
  }
}

async function close({ opening, cancelIdle }: Place): Promise<void> {
  cancelIdle?.();
  try {
    const connection = await opening;
    await connection.close();
  } catch {
    // one that did not open, or has gone, needs no closing
  }
}

function refused(source: string, cause: string): FlowError {
  const message = `Cannot connect to MCP server "${source}": ${cause}`;
  return new FlowError({ code: FlowErrorCode.REMOTE_UNAVAILABLE, message });
}
