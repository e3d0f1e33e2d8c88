import { number } from "../columns.ts";
import { CONTEXT_WEIGHT, type Lexical, type LexicalQuery } from "../lexical.ts";
import { filterOf, sightOf } from "../sight.ts";
import { allOf, type Sql } from "../sql.ts";

/** BM25 of FTS5. Sight is part of the query, so that no hidden fragment takes a place. */
export class SqliteLexical implements Lexical {
  readonly #sql: Sql;
  readonly #tenant: string;

  constructor(sql: Sql, tenant: string) {
    this.#sql = sql;
    this.#tenant = tenant;
  }

  /** Returns sequence numbers, the best first. */
  async search({ viewer, words, filter, limit, now }: LexicalQuery): Promise<readonly number[]> {
    if (words.length === 0) return [];
    const match = words.map((word) => `"${word.replaceAll('"', '""')}"`).join(" or ".toUpperCase());
    const where = allOf([sightOf(viewer, this.#tenant, now), ...filterOf(filter)]);
    const rows = await this.#sql.all(
      `select f.seq from fragment_fts join fragment f on f.seq = fragment_fts.rowid
       where fragment_fts match ? and f.superseded_by is null and ${where.text}
       order by bm25(fragment_fts, 1.0, ${CONTEXT_WEIGHT}), f.seq desc limit ${limit}`,
      [match, ...where.values],
    );
    return rows.map((row) => number(row, "seq"));
  }
}
