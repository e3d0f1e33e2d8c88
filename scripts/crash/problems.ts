/** Violations: the first of each kind, and the count per kind. */
export class Problems {
  readonly #kinds = new Map<string, { readonly first: string; count: number }>();

  add(what: string): void {
    const kind = what.slice(0, 200).replaceAll(/\d+/g, "0");
    const known = this.#kinds.get(kind);
    if (known === undefined) this.#kinds.set(kind, { first: what, count: 1 });
    else known.count += 1;
  }

  get list(): string[] {
    return [...this.#kinds.values()].map(({ first, count }) =>
      count === 1 ? first : `${first} (and ${count - 1} like it)`,
    );
  }
}
