/** Reports that the processes of a flow and of a planner have in common. */
export type CommonTold =
  | { readonly type: "warm" }
  | { readonly type: "ready"; readonly resumed: number }
  | { readonly type: "problem"; readonly what: string }
  | { readonly type: "done" };

/** Counts what the processes report, and keeps the violations: the first of each kind, with the number of its kind. */
export class Reports {
  readonly figures: Record<string, number> & { accepted: number; results: number };
  readonly #kinds = new Map<string, { readonly first: string; count: number }>();

  /** @param figures - names of what is counted, each of which must happen */
  constructor(figures: readonly string[]) {
    this.figures = { accepted: 0, results: 0, ...Object.fromEntries(figures.map((figure) => [figure, 0])) };
  }

  /** Adds to a figure. */
  count(figure: string, times = 1): void {
    this.figures[figure] = (this.figures[figure] ?? 0) + times;
  }

  problem(what: string): void {
    const kind = what.slice(0, 200).replaceAll(/\d+/g, "0");
    const known = this.#kinds.get(kind);
    if (known === undefined) this.#kinds.set(kind, { first: what, count: 1 });
    else known.count += 1;
  }

  get problems(): string[] {
    return [...this.#kinds.values()].map(({ first, count }) =>
      count === 1 ? first : `${first} (and ${count - 1} like it)`,
    );
  }

  /** Takes a report of the process of a life. */
  takeCommon(told: CommonTold, life: number): void {
    if (told.type === "problem") this.problem(`In life ${life}: ${told.what}`);
    if (told.type !== "ready") return;
    this.count("recoveries");
    this.count("resumed", told.resumed);
  }
}
