// The laws M2, M4, M5, M6 and M9 in their simplest form, without a store: tests compare the service with it.
import type { Action, Answer, Keeping, Level, Someone } from "./action.ts";

/** A fragment as the oracle knows it. */
export interface KnownFragment {
  readonly id: string;
  readonly owner: Someone;
  readonly word: string;
  readonly conversation: string | undefined;
  readonly key: string;
  level: Level;
  /** By grantee, with the end. */
  grants: Map<string, number | undefined>;
  supersededBy: string | undefined;
  strength: number;
}

interface KnownRequest {
  /** Absent once its fragment is erased: no digest of the text is kept. */
  body: string | undefined;
  readonly answer: Answer;
}

const MOST_SAME = 5;
const nameOf = ({ tenant, user }: Someone): string => `${tenant}/${user}`;
const isSame = (one: Someone, other: Someone): boolean => nameOf(one) === nameOf(other);

/** Knows all fragments and requests, and decides how each request is answered. */
export class Oracle {
  /** Epoch milliseconds. */
  now: number;
  /** In the order in which they were kept. */
  fragments: KnownFragment[] = [];
  /** By user and key. */
  requests = new Map<string, KnownRequest>();

  constructor(now: number) {
    this.now = now;
  }

  /** Returns a copy that goes its own way. */
  clone(): Oracle {
    const copy = new Oracle(this.now);
    copy.fragments = structuredClone(this.fragments);
    copy.requests = structuredClone(this.requests);
    return copy;
  }

  /** Whether a user may see a fragment. */
  sees(someone: Someone, { owner, level, grants }: KnownFragment): boolean {
    if (isSame(someone, owner)) return true;
    if (level === "tenant") return someone.tenant === owner.tenant;
    const name = nameOf(someone);
    return level === "shared" && grants.has(name) && (grants.get(name) ?? Number.POSITIVE_INFINITY) > this.now;
  }

  /** Returns the ids of the fragments of a tenant that a user may see. */
  visible(someone: Someone, tenant = someone.tenant): string[] {
    return this.#ids((one) => one.owner.tenant === tenant && this.sees(someone, one));
  }

  /** Returns the ids that a search for a word finds in a tenant: by their text, or their context (M6). */
  found(someone: Someone, word: string, tenant = someone.tenant): string[] {
    return this.#ids(
      (one) =>
        one.owner.tenant === tenant &&
        this.sees(someone, one) &&
        one.supersededBy === undefined &&
        [one, ...this.neighbours(one).filter((other) => this.#group(other) === this.#group(one))].some(
          (other) => other.word === word,
        ),
    );
  }

  /** Returns the fragments before and after one in its owner's conversation. */
  neighbours(fragment: KnownFragment): KnownFragment[] {
    const { owner, conversation } = fragment;
    if (conversation === undefined) return [];
    const line = this.fragments.filter((one) => one.conversation === conversation && isSame(one.owner, owner));
    const at = line.indexOf(fragment);
    return [line[at - 1], line[at + 1]].filter((one) => one !== undefined);
  }

  /** Applies a request and returns its answer. The service gives a new fragment's id. */
  apply(action: Action, newId: string | undefined): Answer {
    const { by } = action;
    if (action.kind === "ingest") return this.#keep(action, newId ?? "");
    if (action.kind === "eraseUser") return this.#eraseUser(by);
    const own = this.#ofOwner(by, action.id);
    if (own === undefined) return { code: "NOT_FOUND" };
    switch (action.kind) {
      case "level": {
        const changed = own.level !== action.level;
        if (changed) own.grants.clear();
        own.level = action.level;
        return { code: "ok", changed };
      }
      case "share": {
        if (own.level === "tenant") return { code: "LEVEL_CONFLICT" };
        const to = nameOf(action.to);
        const changed = !own.grants.has(to) || own.grants.get(to) !== action.expiresAt;
        own.grants.set(to, action.expiresAt);
        own.level = "shared";
        return { code: "ok", changed };
      }
      case "unshare":
        return { code: "ok", changed: own.grants.delete(nameOf(action.to)) };
      case "erase":
        this.#erase(own);
        return { code: "ok" };
      case "supersede": {
        const newer = this.#ofOwner(by, action.newer);
        if (newer === undefined) return { code: "NOT_FOUND" };
        if (own.supersededBy === newer.id) return { code: "ok", changed: false };
        if (this.fragments.indexOf(newer) <= this.fragments.indexOf(own)) return { code: "INVALID" };
        own.supersededBy = newer.id;
        return { code: "ok", changed: true };
      }
      case "reinforce": {
        const { key, value } = action;
        return this.#once(by, `reinforce ${key}`, `${action.id} ${value}`, () => {
          own.strength += value >= 0 ? 0.3 * value * (1 - own.strength) : 0.3 * value * own.strength;
          return { code: "ok", strength: own.strength };
        });
      }
    }
  }

  #keep({ by, word, level, conversation, supersedes, key }: Keeping, id: string): Answer {
    return this.#once(by, key, JSON.stringify([word, level, conversation, supersedes]), () => {
      const older = supersedes === undefined ? undefined : this.#ofOwner(by, supersedes);
      if (supersedes !== undefined && older === undefined) return { code: "NOT_FOUND" };
      const isAlike = (one: KnownFragment): boolean =>
        one.word === word && one.level === level && one.grants.size === 0 && isSame(one.owner, by);
      const same = this.fragments.filter(isAlike).slice(-MOST_SAME);
      if (older !== undefined) older.supersededBy = id;
      const grants = new Map<string, number | undefined>();
      const rest = { level, grants, supersededBy: undefined, strength: 0 };
      this.fragments.push({ id, owner: by, word, conversation, key, ...rest });
      return { code: "ok", id, created: true, same: same.map((one) => one.id).sort() };
    });
  }

  /** Answers the first request with a key, and its repetitions alike; remembers nothing that was refused (M9). */
  #once(by: Someone, key: string, body: string, work: () => Answer): Answer {
    const name = `${nameOf(by)} ${key}`;
    const known = this.requests.get(name);
    if (known === undefined) {
      const answer = work();
      if (answer.code === "ok") this.requests.set(name, { body, answer });
      return answer;
    }
    const isOther = known.body !== undefined && known.body !== body;
    if (isOther) return { code: "KEY_REUSED" };
    return { ...known.answer, ...(known.answer.created === true && { created: false }) };
  }

  #erase(fragment: KnownFragment): void {
    this.fragments = this.fragments.filter((one) => one !== fragment);
    for (const one of this.fragments) if (one.supersededBy === fragment.id) one.supersededBy = undefined;
    const request = this.requests.get(`${nameOf(fragment.owner)} ${fragment.key}`);
    if (request !== undefined) request.body = undefined;
  }

  #eraseUser(by: Someone): Answer {
    const own = this.fragments.filter(({ owner }) => isSame(owner, by));
    for (const one of own) this.#erase(one);
    for (const name of this.requests.keys()) if (name.startsWith(`${nameOf(by)} `)) this.requests.delete(name);
    return { code: "ok", erased: own.length };
  }

  /** Returns a name of the viewers of a fragment: neighbours with the same one are its context. */
  #group({ level, grants }: KnownFragment): string {
    return [level, ...[...grants].map(([name, end]) => `${name}@${end}`).sort()].join(" ");
  }

  #ofOwner(by: Someone, id: string): KnownFragment | undefined {
    return this.fragments.find((one) => one.id === id && isSame(one.owner, by));
  }

  #ids(test: (fragment: KnownFragment) => boolean): string[] {
    return this.fragments
      .filter(test)
      .map(({ id }) => id)
      .sort();
  }
}
