// The laws M2, M4, M5, M6 and M9 in their simplest form, without a store: tests compare the service with it.

/** A user of a tenant. */
export interface Someone {
  readonly tenant: string;
  readonly user: string;
}

/** A fragment as the oracle knows it. */
export interface KnownFragment {
  readonly id: string;
  readonly owner: Someone;
  /** The one word that no other fragment has. */
  readonly word: string;
  readonly conversation: string | undefined;
  level: "private" | "tenant" | "shared";
  readonly grants: Set<string>;
  supersededBy: string | undefined;
}

const key = ({ tenant, user }: Someone): string => `${tenant}/${user}`;

/** Knows all fragments and decides which may be seen, and which may be found by a word. */
export class SightOracle {
  /** In the order in which they were kept. */
  readonly fragments = new Map<string, KnownFragment>();

  /** Whether a user may see a fragment. */
  sees(someone: Someone, { owner, level, grants }: KnownFragment): boolean {
    const isHouse = someone.tenant === owner.tenant;
    if (isHouse && someone.user === owner.user) return true;
    return level === "tenant" ? isHouse : level === "shared" && grants.has(key(someone));
  }

  /** Returns the ids of the fragments of the user's tenant that it may see. */
  visible(someone: Someone): string[] {
    return this.#those((fragment) => fragment.owner.tenant === someone.tenant && this.sees(someone, fragment));
  }

  /** Returns the ids that a search for a word finds in the user's tenant: by their text, or their context (M6). */
  found(someone: Someone, word: string): string[] {
    return this.#those(
      (fragment) =>
        fragment.owner.tenant === someone.tenant &&
        this.sees(someone, fragment) &&
        fragment.supersededBy === undefined &&
        [fragment, ...this.#context(fragment)].some((one) => one.word === word),
    );
  }

  /** Grants, or takes back, as `share` and `unshare` do. */
  grant(fragment: KnownFragment, grantee: Someone): boolean {
    if (fragment.level === "tenant") return false;
    fragment.level = "shared";
    fragment.grants.add(key(grantee));
    return true;
  }

  /** Takes a grant back. */
  revoke(fragment: KnownFragment, grantee: Someone): void {
    fragment.grants.delete(key(grantee));
  }

  /** Removes a fragment, and what it hid is seen again. */
  erase(id: string): void {
    this.fragments.delete(id);
    for (const fragment of this.fragments.values()) if (fragment.supersededBy === id) fragment.supersededBy = undefined;
  }

  #context(fragment: KnownFragment): KnownFragment[] {
    if (fragment.conversation === undefined) return [];
    const line = [...this.fragments.values()].filter(
      ({ conversation, owner }) => conversation === fragment.conversation && key(owner) === key(fragment.owner),
    );
    const at = line.indexOf(fragment);
    const group = ({ level, grants }: KnownFragment): string => [level, ...[...grants].sort()].join(" ");
    return [line[at - 1], line[at + 1]]
      .filter((one) => one !== undefined)
      .filter((one) => group(one) === group(fragment));
  }

  #those(test: (fragment: KnownFragment) => boolean): string[] {
    return [...this.fragments.values()]
      .filter(test)
      .map(({ id }) => id)
      .sort();
  }
}
