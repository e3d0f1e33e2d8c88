import type { ResultKey, StoredResult } from "penguiflow/adapter";
import type { BindingBody, CallCommand, ResultBody } from "../form/command.ts";
import { type Deployment, partitionOf } from "../form/place.ts";
import { bindingKey, earlyVersions } from "../form/release.ts";
import type { Releases } from "../form/releases.ts";
import { type Kept, readKept } from "../form/kept.ts";
import { fromBytes, toBytes } from "../form/text.ts";
import type { ClusterSettings } from "./settings.ts";

/** An id that a caller has given, and how long its outcome is kept. */
export interface GivenId {
  readonly tenant: string;
  readonly id: string;
  readonly keepMs: number;
}

/** Knowledge of the ids of calls. */
export interface LookedUp {
  /** Other versions that ids belong to. */
  readonly elsewhere: ReadonlyMap<CallCommand, string>;
  /** Final results that ids have in other versions. */
  readonly finals: ReadonlyMap<CallCommand, Kept<ResultBody>>;
}

/** Records of a request. */
const AT_ONCE = 500;
/** Share of the time for which outcomes are kept, after which the records of traces in flight are renewed. */
export const RENEW_SHARE = 0.5;

/**
 * Binds given ids to the version of a flow that is the first to accept them, once the flow is released. The record of an
 * id is a final result, which is never replaced: of two versions, one is refused.
 */
export class IdBindings {
  /** Whether new messages are bound. */
  isOn = false;
  readonly #settings: ClusterSettings;
  readonly #deployment: Deployment;
  readonly #releases: Releases;

  constructor(settings: ClusterSettings, deployment: Deployment, releases: Releases) {
    this.#settings = settings;
    this.#deployment = deployment;
    this.#releases = releases;
  }

  /** Turns the binding on if the flow is released. */
  async turnOnIfReleased(): Promise<void> {
    // only ever turned on: a release may be told while an older state is read
    if ((await this.#releases.read(this.#deployment.flow)) !== undefined) this.isOn = true;
  }

  /** Binds the given ids of calls. */
  async lookUp(calls: readonly CallCommand[]): Promise<LookedUp> {
    const given = this.isOn ? calls.filter(({ isGiven }) => isGiven) : [];
    if (given.length === 0) return { elsewhere: new Map(), finals: new Map() };
    const elsewhere = await this.bind(given);
    const places = [
      ...elsewhere,
      ...given.filter((call) => !elsewhere.has(call)).flatMap((call) => this.#earlyOf(call)),
    ];
    return { elsewhere, finals: await this.#finalsIn(places) };
  }

  /** Whether an id has a final result in another version from before it was bound. */
  async hasEndedEarly(given: Pick<GivenId, "tenant" | "id">): Promise<boolean> {
    return this.isOn && (await this.#finalsIn(this.#earlyOf(given))).size > 0;
  }

  #earlyOf<Given>(given: Given): readonly (readonly [Given, string])[] {
    return this.#early.map((version) => [given, version]);
  }

  /** Other versions in which ids may have outcomes from before they were bound. */
  get #early(): readonly string[] {
    const { flow, version: own } = this.#deployment;
    const versions = earlyVersions(this.#releases.of(flow), this.#settings.machine.clock.epochNow());
    return versions.filter((version) => version !== own);
  }

  /** Binds ids to this version, or keeps their records longer. Returns the versions of those that others have. */
  async bind<Given extends GivenId>(ids: readonly Given[]): Promise<ReadonlyMap<Given, string>> {
    const elsewhere = new Map<Given, string>();
    const { results } = this.#settings.backend;
    const body = toBytes({ version: this.#deployment.version } satisfies BindingBody);
    for (let from = 0; from < ids.length; from += AT_ONCE) {
      const page = ids.slice(from, from + AT_ONCE);
      const records = page.map((given): StoredResult => {
        // longer than the outcome, which is kept from its end on: see `RENEW_SHARE`
        const keepMs = 2 * Math.max(given.keepMs, this.#settings.keepMs);
        return { key: bindingKey(this.#deployment, given.tenant, given.id), isFinal: true, body, keepMs };
      });
      const answers = await results.put(records);
      const refused = page.filter((_, index) => answers[index] === "superseded");
      if (refused.length === 0) continue;
      const versions = await this.#versionsOf(refused);
      for (const [index, given] of refused.entries()) {
        const version = versions[index];
        if (version !== undefined && version !== this.#deployment.version) elsewhere.set(given, version);
      }
    }
    return elsewhere;
  }

  /** Returns the other version that an id is bound to. */
  async elsewhere(tenant: string, id: string): Promise<string | undefined> {
    const [version] = await this.#versionsOf([{ tenant, id }]);
    return version === this.#deployment.version ? undefined : version;
  }

  async #finalsIn<Given extends Pick<GivenId, "tenant" | "id">>(
    places: readonly (readonly [Given, string])[],
  ): Promise<ReadonlyMap<Given, Kept<ResultBody>>> {
    const finals = new Map<Given, Kept<ResultBody>>();
    if (places.length === 0) return finals;
    const keys = places.map(([{ tenant, id }, version]): ResultKey => {
      return { partition: partitionOf({ ...this.#deployment, version }, tenant, id), tenant, id };
    });
    const found = await this.#settings.backend.results.get(keys, "latest");
    for (const [index, [given]] of places.entries()) {
      const result = found[index];
      if (result?.isFinal === true) finals.set(given, readKept<ResultBody>(result));
    }
    return finals;
  }

  /** Removes the record of an id, which may be used again. */
  async forget(tenant: string, id: string): Promise<void> {
    const { results } = this.#settings.backend;
    const [record] = await results.get([bindingKey(this.#deployment, tenant, id)], "latest");
    if (record !== undefined) await results.forget([{ key: record.key, revision: record.revision }]);
  }

  async #versionsOf(ids: readonly Pick<GivenId, "tenant" | "id">[]): Promise<readonly (string | undefined)[]> {
    const keys = ids.map(({ tenant, id }) => bindingKey(this.#deployment, tenant, id));
    const found = await this.#settings.backend.results.get(keys, "latest");
    return found.map((record) => (record === undefined ? undefined : fromBytes<BindingBody>(record.body).version));
  }
}
