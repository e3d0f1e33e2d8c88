import { type Registry, type RegistryEntry, type Wire, watchByLooking } from "penguiflow/adapter";
import type { Broker, Stored } from "./broker.ts";
import { token } from "./names.ts";

const KEY = "Penguiflow-Key";
const TTL_MS = "Penguiflow-Ttl-Ms";
const SUBJECT = "registry";
const PAGE = 500;
const PAGE_BYTES = 4_194_304;

/**
 * Keeps each value as the one message of its subject, and its sequence as revision. The server removes it after its
 * time, in whole seconds; readers go by milliseconds.
 */
export class NatsRegistry implements Registry {
  readonly #broker: Broker;
  readonly #stream: string;
  readonly #name: string;
  readonly #wire: Wire;

  constructor(broker: Broker, stream: string, name: string, wire: Wire) {
    this.#broker = broker;
    this.#stream = stream;
    this.#name = name;
    this.#wire = wire;
  }

  async get(key: string): Promise<RegistryEntry | undefined> {
    const last = await this.#broker.last(this.#stream, this.#subject(key));
    if (last === undefined || !isLive(last, await this.#broker.now(this.#stream))) return undefined;
    return { value: valueOf(last), revision: last.sequence };
  }

  async put(
    key: string,
    value: string,
    { revision, ttlMs }: { readonly revision?: number | undefined; readonly ttlMs?: number | undefined } = {},
  ): Promise<number | "conflict"> {
    const subject = this.#subject(key);
    const publication = {
      subject,
      body: new TextEncoder().encode(value),
      ttlMs,
      header: { [KEY]: encodeURIComponent(key), ...(ttlMs === undefined ? {} : { [TTL_MS]: String(ttlMs) }) },
    };
    for (let expected = revision; ;) {
      const sequence = await this.#broker.publish(this.#stream, { ...publication, expected });
      if (sequence !== undefined) {
        this.#tell(key, value);
        return sequence;
      }
      const last = await this.#broker.last(this.#stream, subject);
      // one that has expired is no value, although the server has not removed it yet
      if (revision !== 0 || (last !== undefined && isLive(last, await this.#broker.now(this.#stream))))
        return "conflict";
      expected = last?.sequence ?? 0;
    }
  }

  async delete(key: string): Promise<void> {
    await this.#broker.purge(this.#stream, this.#subject(key));
    this.#tell(key, undefined);
  }

  async watch(
    prefix: string,
    onChange: (key: string, value: string | undefined) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const look = async (): Promise<ReadonlyMap<string, RegistryEntry>> => {
      const now = await this.#broker.now(this.#stream);
      const found = new Map<string, RegistryEntry>();
      for (const stored of await this.#all()) {
        const key = decodeURIComponent(stored.header.get(KEY));
        if (key.startsWith(prefix) && isLive(stored, now))
          found.set(key, { value: valueOf(stored), revision: stored.sequence });
      }
      return found;
    };
    const subscribe = (changed: (key: string, value?: string) => void): Disposable =>
      this.#wire.subscribe(SUBJECT, (body) => {
        const [key, value] = JSON.parse(new TextDecoder().decode(body)) as [string, string?];
        if (key.startsWith(prefix)) changed(key, value);
      });
    // the replica that was asked may be behind: the leader decides
    const confirm = async (key: string): Promise<RegistryEntry | undefined> => await this.get(key);
    await watchByLooking({ look, subscribe, confirm }, onChange, signal);
  }

  /** Reads all values: few and small. */
  async #all(): Promise<Stored[]> {
    const all: Stored[] = [];
    for (let from = 1; ;) {
      const { found, left } = await this.#broker.range(this.#stream, {
        subject: `${this.#name}.registry.*`,
        from,
        count: PAGE,
        bytes: PAGE_BYTES,
      });
      all.push(...found);
      if (left === 0 || found.length === 0) return all;
      from = found.at(-1)!.sequence + 1;
    }
  }

  #tell(key: string, value: string | undefined): void {
    this.#wire.publish(SUBJECT, new TextEncoder().encode(JSON.stringify([key, value])));
  }

  #subject(key: string): string {
    return `${this.#name}.registry.${token(key)}`;
  }
}

function isLive({ header, at }: Stored, now: number): boolean {
  const ttlMs = header.get(TTL_MS);
  return ttlMs === "" || at + Number(ttlMs) > now;
}

const valueOf = ({ body }: Stored): string => new TextDecoder().decode(body);
