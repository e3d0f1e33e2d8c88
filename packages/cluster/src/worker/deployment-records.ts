import type { Deployment } from "../form/place.ts";
import { type DeploymentRecord, deploymentsPrefix, type MemberFigures } from "../form/registry-keys.ts";
import { watch } from "../form/watch.ts";
import type { ClusterSettings } from "./settings.ts";

/** Writes which flows and versions there are, and whether they have traces, for a time when no member runs them. */
export class DeploymentRecords {
  readonly #settings: ClusterSettings;
  readonly #prefix: string;
  readonly #records = new Map<string, DeploymentRecord>();
  #isWatching = false;

  constructor(settings: ClusterSettings) {
    this.#settings = settings;
    this.#prefix = deploymentsPrefix(settings.name);
  }

  /** Follows the records until the signal aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    await watch(
      this.#settings,
      this.#prefix,
      (key, value) => {
        const group = key.slice(this.#prefix.length);
        if (value === undefined) this.#records.delete(group);
        else this.#records.set(group, JSON.parse(value) as DeploymentRecord);
      },
      signal,
    );
    this.#isWatching = true;
  }

  /**
   * Brings the record of a flow and version up to date.
   *
   * @param figures - those of its members: it is idle when they hold all partitions and have no trace
   * @param lost - indices of partitions that this member has lost: unless another one holds them, they may have traces
   */
  async note(
    group: string,
    { partitions, lanes }: Deployment,
    figures: readonly Pick<MemberFigures, "held" | "inFlight">[],
    lost: readonly number[],
  ): Promise<void> {
    if (!this.#isWatching) return;
    const held = new Set(figures.flatMap((one) => one.held));
    const inFlight = figures.reduce((sum, one) => sum + one.inFlight, 0);
    const known = this.#records.get(group);
    // without a look into all partitions, it stays what it was
    const wasIdle = known?.isIdle !== false && lost.every((index) => held.has(index));
    const isIdle = inFlight === 0 && (held.size === partitions || wasIdle);
    if (known?.isIdle === isIdle && known.partitions === partitions && known.lanes === lanes) return;
    const record: DeploymentRecord = { partitions, lanes, isIdle };
    this.#records.set(group, record);
    await this.#settings.backend.registry.put(this.#prefix + group, JSON.stringify(record));
  }
}
