import type { ClusterSettings } from "../worker/settings.ts";
import { releaseKey, releasesPrefix } from "./registry-keys.ts";
import type { Release } from "./release.ts";
import { watch } from "./watch.ts";

/** The releases of a cluster's flows, followed in its registry. */
export class Releases {
  readonly #settings: ClusterSettings;
  readonly #releases = new Map<string, Release>();

  constructor(settings: ClusterSettings) {
    this.#settings = settings;
  }

  /** Follows the releases until the signal aborts. Resolves once the present ones are known. */
  async watch(signal: AbortSignal, onChange: () => void = () => {}): Promise<void> {
    const prefix = releasesPrefix(this.#settings.name);
    await watch(
      this.#settings,
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
    const { backend, name } = this.#settings;
    const entry = await backend.registry.get(releaseKey(name, flow));
    // a change that was told meanwhile is newer
    if (entry !== undefined && !this.#releases.has(flow)) this.#releases.set(flow, JSON.parse(entry.value) as Release);
    return this.#releases.get(flow);
  }
}
