import type { Registry } from "penguiflow/adapter";
import { releaseKey, releasesPrefix } from "./registry-keys.ts";
import type { Release } from "./release.ts";

/** The releases of a cluster's flows, followed in its registry. */
export class Releases {
  readonly #registry: Registry;
  readonly #app: string;
  readonly #releases = new Map<string, Release>();

  constructor(registry: Registry, app: string) {
    this.#registry = registry;
    this.#app = app;
  }

  /** Follows the releases until the signal aborts. Resolves once the present ones are known. */
  async watch(signal: AbortSignal, onChange: () => void = () => {}): Promise<void> {
    const prefix = releasesPrefix(this.#app);
    await this.#registry.watch(
      prefix,
      (key, value) => {
        const flow = key.slice(prefix.length);
        if (value === undefined) this.#releases.delete(flow);
        else this.#releases.set(flow, JSON.parse(value) as Release);
        onChange();
      },
      signal,
    );
  }

  /** Returns the release of a flow, as it was told last. */
  of(flow: string): Release | undefined {
    return this.#releases.get(flow);
  }

  /** Reads the release of a flow. */
  async read(flow: string): Promise<Release | undefined> {
    const entry = await this.#registry.get(releaseKey(this.#app, flow));
    if (entry !== undefined) this.#releases.set(flow, JSON.parse(entry.value) as Release);
    return this.#releases.get(flow);
  }
}
