import { type Clock, systemClock } from "penguiflow";
import type { Registry, RegistryEntry } from "penguiflow/adapter";

type Listener = (key: string, value: string | undefined) => void;

interface Kept extends RegistryEntry {
  /** Keeps the value from being removed at the end of its time. */
  readonly stay: (() => void) | undefined;
}

/** Keeps the values of a registry in this process. */
export class MemoryRegistry implements Registry, Disposable {
  readonly #values = new Map<string, Kept>();
  readonly #watches = new Set<{ readonly prefix: string; readonly tell: Listener }>();
  readonly #clock: Clock;
  #revision = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  async get(key: string): Promise<RegistryEntry | undefined> {
    const kept = this.#values.get(key);
    return kept === undefined ? undefined : { value: kept.value, revision: kept.revision };
  }

  async put(
    key: string,
    value: string,
    { revision, ttlMs }: { readonly revision?: number | undefined; readonly ttlMs?: number | undefined } = {},
  ): Promise<number | "conflict"> {
    const before = this.#values.get(key);
    if (revision !== undefined && revision !== (before?.revision ?? 0)) return "conflict";
    before?.stay?.();
    this.#revision += 1;
    const stay = ttlMs === undefined ? undefined : this.#clock.setTimer(() => this.#remove(key), ttlMs);
    this.#values.set(key, { value, revision: this.#revision, stay });
    if (before?.value !== value) this.#tell(key, value);
    return this.#revision;
  }

  async delete(key: string): Promise<void> {
    this.#remove(key);
  }

  async watch(prefix: string, onChange: Listener, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const watch = { prefix, tell: onChange };
    this.#watches.add(watch);
    signal.addEventListener("abort", () => this.#watches.delete(watch), { once: true });
    for (const [key, { value }] of this.#values) if (key.startsWith(prefix)) onChange(key, value);
  }

  [Symbol.dispose](): void {
    for (const { stay } of this.#values.values()) stay?.();
    this.#values.clear();
    this.#watches.clear();
  }

  #remove(key: string): void {
    const kept = this.#values.get(key);
    if (kept === undefined) return;
    kept.stay?.();
    this.#values.delete(key);
    this.#tell(key, undefined);
  }

  #tell(key: string, value: string | undefined): void {
    for (const { prefix, tell } of this.#watches) if (key.startsWith(prefix)) tell(key, value);
  }
}
