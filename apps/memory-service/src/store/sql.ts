/** A value bound to a statement. */
export type SqlValue = string | number | Uint8Array | null;

/** A row of a result, by column. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** One transaction of a tenant's database. Statements have `?` for each value and mention no tenant. */
export interface Sql {
  /** Runs a statement and returns its rows. */
  all(text: string, values?: readonly SqlValue[]): Promise<readonly SqlRow[]>;
  /** Runs a statement and returns the number of changed rows. */
  run(text: string, values?: readonly SqlValue[]): Promise<number>;
  /** Aggregate that joins the bytes of a column, row after row. */
  joined(column: string): string;
  /** Clause that lets parallel claims of rows pass one another; empty where writers are serial. */
  readonly skipLocked: string;
  /** Columns that precede those of every key, with a comma; empty where a tenant has a database of its own. */
  readonly keyPrefix: string;
}

/** A part of a statement, with the values of its `?`. */
export interface Clause {
  readonly text: string;
  readonly values: readonly SqlValue[];
}

/** Joins clauses with `and`. */
export function allOf(clauses: readonly Clause[]): Clause {
  return {
    text: clauses.map(({ text }) => `(${text})`).join(" and "),
    values: clauses.flatMap(({ values }) => values),
  };
}

/** Returns `?, ?, …` for a list of values. */
export function marksFor(values: readonly unknown[]): string {
  return values.map(() => "?").join(", ");
}

/**
 * Returns the clause that a column is one of one or more values. The last is repeated up to a power of two: statements
 * are kept by their text, and so there are few for lists of all lengths.
 */
export function among(column: string, values: readonly SqlValue[]): Clause {
  const padded = [...values];
  while ((padded.length & (padded.length - 1)) !== 0) padded.push(values.at(-1) ?? null);
  return { text: `${column} in (${marksFor(padded)})`, values: padded };
}
