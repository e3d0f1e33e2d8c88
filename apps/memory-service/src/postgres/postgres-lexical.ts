import { number, text } from "../store/columns.ts";
import type { Lexical, LexicalQuery } from "../store/lexical.ts";
import { filterOf, sightOf } from "../store/sight.ts";
import { allOf, marksFor, type Sql } from "../store/sql.ts";
import { type Document, rankByBm25 } from "./bm25.ts";

/** Fragments that are ranked: those with the rarest of the words, the newest of them. */
const MOST_RANKED = 2_000;

/** Finds candidates by a GIN index and ranks them by BM25, which PostgreSQL does not have. */
export class PostgresLexical implements Lexical {
  readonly #sql: Sql;
  readonly #tenant: string;

  constructor(sql: Sql, tenant: string) {
    this.#sql = sql;
    this.#tenant = tenant;
  }

  /** Returns sequence numbers, the best first. */
  async search({ viewer, words, filter, limit, now }: LexicalQuery): Promise<readonly number[]> {
    if (words.length === 0) return [];
    const frequencies = await this.#frequencies(words);
    if (frequencies.size === 0) return [];
    const lexemes = [...frequencies.keys()];
    const where = allOf([sightOf(viewer, this.#tenant, now), ...filterOf(filter)]);
    const rows = await this.#sql.all(
      `select c.seq, c.length, l.lexeme,
         (select count(*) from unnest(l.weights) w where w = 'A') as in_text,
         (select count(*) from unnest(l.weights) w where w = 'B') as in_context
       from (select f.seq, f.terms, length(f.terms) as length from fragment f
         where f.terms @@ cast(? as tsquery) and f.superseded_by is null and ${where.text}
         order by f.seq desc limit ${MOST_RANKED}) c
       cross join lateral unnest(c.terms) l where l.lexeme in (${marksFor(lexemes)})`,
      [rarest(frequencies).map(quoted).join(" | "), ...where.values, ...lexemes],
    );
    const documents = new Map<number, Document & { counts: Map<string, { text: number; context: number }> }>();
    for (const row of rows) {
      const seq = number(row, "seq");
      const known = documents.get(seq) ?? { seq, length: number(row, "length"), counts: new Map() };
      known.counts.set(text(row, "lexeme"), { text: number(row, "in_text"), context: number(row, "in_context") });
      documents.set(seq, known);
    }
    const [corpus] = await this.#sql.all("select documents, words from corpus");
    const totals = corpus === undefined ? { documents: 0, words: 0 } : sizes(corpus);
    return rankByBm25([...documents.values()], { ...totals, frequencies }).slice(0, limit);
  }

  /** Returns the stems of words that the tenant has, with the number of its documents. */
  async #frequencies(words: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.#sql.all(
      `select t.lexeme, t.documents from unnest(to_tsvector('english', ?)) l join term_count t on t.lexeme = l.lexeme`,
      [words.join(" ")],
    );
    return new Map(rows.map((row) => [text(row, "lexeme"), number(row, "documents")]));
  }
}

/** Returns the rarest words whose documents can all be ranked, at least one. */
function rarest(frequencies: ReadonlyMap<string, number>): string[] {
  let documents = 0;
  return [...frequencies]
    .sort(([, one], [, other]) => one - other)
    .filter(([, frequency], at) => {
      documents += frequency;
      return at === 0 || documents <= MOST_RANKED;
    })
    .map(([lexeme]) => lexeme);
}

/** Writes a lexeme as an operand of a tsquery: nothing in it is syntax. */
function quoted(lexeme: string): string {
  return `'${lexeme.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

function sizes(row: Parameters<typeof number>[0]): { documents: number; words: number } {
  return { documents: number(row, "documents"), words: number(row, "words") };
}
