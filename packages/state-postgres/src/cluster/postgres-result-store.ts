import type { KeptResult, ResultKey, ResultRevision, ResultStore, StoredResult } from "penguiflow/adapter";
import type { Database } from "../database.ts";
import { bytesArray, numberArray } from "../text-array.ts";
import { hashed } from "./names.ts";

const SWEEP_MS = 10_000;
/** Revision of a row `r`. */
const REVISION = "(extract(epoch from r.expires_at) * 1000000)::bigint";

/** A result, and the hash that its row is found by. */
interface Hashed {
  readonly result: StoredResult;
  readonly hash: Buffer;
}

/**
 * Stores results as rows. Expired ones are removed by the way. The microsecond at which a row expires is its revision: each
 * storing of a key has another.
 */
export class PostgresResultStore implements ResultStore {
  readonly #database: Database;
  readonly #tables: string;
  #sweptAt = performance.now();

  constructor(database: Database, tables: string) {
    this.#database = database;
    this.#tables = tables;
  }

  async put(results: readonly StoredResult[]): Promise<readonly (number | "superseded")[]> {
    const answers: (number | "superseded")[] = [];
    // one statement changes a row once: results of one key go one after the other
    const hashes = results.map(({ key }) => keyOf(key));
    const keys = hashes.map((hash) => hash.toString("hex"));
    let left = results.map((_, index) => index);
    while (left.length > 0) {
      const seen = new Set<string>();
      const batch = left.filter((index) => !seen.has(keys[index]!) && seen.add(keys[index]!));
      const taken = new Set(batch);
      left = left.filter((index) => !taken.has(index));
      const stored = await this.#store(batch.map((index) => ({ result: results[index]!, hash: hashes[index]! })));
      for (const index of batch) answers[index] = stored.get(keys[index]!) ?? "superseded";
    }
    if (performance.now() - this.#sweptAt > SWEEP_MS) await this.#sweep();
    return answers;
  }

  async get(keys: readonly ResultKey[]): Promise<readonly (KeptResult | undefined)[]> {
    const rows = await this.#database.query(
      `select k.place, r.is_final, r.body, ${REVISION} as revision,
         extract(epoch from r.expires_at - clock_timestamp())::float8 * 1000 as keep_ms
       from unnest($1::bytea[]) with ordinality as k (key, place)
       join ${this.#tables}.results r on r.key = k.key where r.expires_at > clock_timestamp()`,
      [bytesArray(keys.map(keyOf))],
    );
    const found: (KeptResult | undefined)[] = keys.map(() => undefined);
    for (const { place, is_final: isFinal, body, keep_ms: keepMs, revision } of rows) {
      const index = Number(place) - 1;
      found[index] = {
        key: keys[index]!,
        isFinal: isFinal as boolean,
        body: new Uint8Array(body as Buffer),
        keepMs: Number(keepMs),
        revision: Number(revision),
      };
    }
    return found;
  }

  async forget(results: readonly ResultRevision[]): Promise<void> {
    await this.#database.query(
      `delete from ${this.#tables}.results r using unnest($1::bytea[], $2::bigint[]) as n (key, revision)
       where r.key = n.key and ${REVISION} = n.revision`,
      [bytesArray(results.map(({ key }) => keyOf(key))), numberArray(results.map(({ revision }) => revision))],
    );
  }

  /** Stores results of different keys. Returns the revisions of those that were stored, by their keys as hexadecimal digits. */
  async #store(results: readonly Hashed[]): Promise<ReadonlyMap<string, number>> {
    const sorted = results.toSorted((one, other) => Buffer.compare(one.hash, other.hash));
    const rows = await this.#database.query(
      `insert into ${this.#tables}.results as r (key, is_final, body, expires_at)
       select key, is_final, body, clock_timestamp() + keep_ms * interval '1 millisecond'
       from unnest($1::bytea[], $2::boolean[], $3::bytea[], $4::float8[]) as n (key, is_final, body, keep_ms)
       on conflict (key) do update set
         is_final = excluded.is_final, body = excluded.body, expires_at = excluded.expires_at
       where not r.is_final or r.expires_at <= clock_timestamp()
         or (excluded.is_final and r.body = excluded.body)
       returning encode(key, 'hex') as key, ${REVISION} as revision`,
      [
        bytesArray(sorted.map(({ hash }) => hash)),
        sorted.map(({ result }) => result.isFinal),
        bytesArray(sorted.map(({ result }) => result.body)),
        numberArray(sorted.map(({ result }) => result.keepMs)),
      ],
    );
    return new Map(rows.map(({ key, revision }) => [key as string, Number(revision)]));
  }

  async #sweep(): Promise<void> {
    this.#sweptAt = performance.now();
    await this.#database.query(
      `delete from ${this.#tables}.results where key in (
         select key from ${this.#tables}.results where expires_at <= clock_timestamp() limit 1000)`,
    );
  }
}

const keyOf = ({ partition, tenant, id }: ResultKey): Buffer => hashed(partition, tenant, id);
