import type { Intake, IntakeLimit, Offer, Offered, Wire } from "penguiflow/adapter";
import type { Database } from "../database.ts";
import { Gatherer } from "../gatherer.ts";
import { bytesArray, numberArray } from "../text-array.ts";
import { hashed, kept } from "./names.ts";

const WAKE = Uint8Array.of(1);
/** Milliseconds for which a partition is listened to after its last read. */
const IDLE_MS = 10_000;
/** Milliseconds for which removals of items wait for others. */
const TRIM_MS = 50;
/** Reads, and removals, of one statement. */
const AT_ONCE = 64;

/** A partition that is being read. */
interface Hearing {
  readonly listening: Disposable;
  readonly waiting: Set<() => void>;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Positions up to which a read has found everything, unless something may have come since. */
  complete: ReadonlyMap<number, number> | undefined;
}

interface Search {
  readonly partition: string;
  readonly after: ReadonlyMap<number, number>;
  readonly count: number;
  readonly bytes: number;
}

interface Trim {
  readonly partition: string;
  readonly upTo: ReadonlyMap<number, number>;
}

/**
 * Stores the items of an intake as rows. Sequences come from the row of their partition, which is locked until the items
 * are committed: so they become visible in order, and a reader that resumes after a position misses none. Reads of
 * several partitions at the same time are one statement, and so are removals.
 */
export class PostgresIntake implements Intake, Disposable {
  readonly #database: Database;
  readonly #tables: string;
  readonly #wire: Wire;
  readonly #maxItems: number;
  readonly #known = new Set<string>();
  readonly #heard = new Map<string, Hearing>();
  readonly #headOf = kept((partition) => hashed(partition));
  readonly #searches: Gatherer<Search, readonly Offered[]>;
  readonly #trims: Gatherer<Trim, void>;

  constructor(database: Database, tables: string, wire: Wire, maxItems: number) {
    this.#database = database;
    this.#tables = tables;
    this.#wire = wire;
    this.#maxItems = maxItems;
    const mayJoin = ({ length }: readonly unknown[]): boolean => length < AT_ONCE;
    this.#searches = new Gatherer<Search, readonly Offered[]>((searches) => this.#find(searches), mayJoin, {
      atOnce: 2,
    });
    this.#trims = new Gatherer<Trim, void>((trims) => this.#remove(trims), mayJoin, { delayMs: TRIM_MS });
  }

  async offer(offers: readonly Offer[]): Promise<readonly ("stored" | "duplicate" | "full")[]> {
    if (offers.length === 0) return [];
    const known = new Set<string>();
    const counts = new Map<string, number>();
    const unique: { readonly offer: Offer; readonly number: number }[] = [];
    const placeOf = offers.map((offer) => {
      const name = `${offer.partition}\u0000${offer.key}`;
      if (known.has(name)) return -1;
      known.add(name);
      const number = (counts.get(offer.partition) ?? 0) + 1;
      counts.set(offer.partition, number);
      return unique.push({ offer, number }) - 1;
    });
    await this.#createHeads([...counts.keys()]);
    const answers = await this.#store(unique, counts);
    for (const partition of counts.keys()) this.#wire.publish(subjectOf(partition), WAKE);
    return placeOf.map((place) => (place < 0 ? "duplicate" : (answers?.[place] ?? "stored")));
  }

  /**
   * Stores items with different keys, each with its number among those of its partition.
   *
   * @returns their answers, unless all were stored
   */
  async #store(
    items: readonly { readonly offer: Offer; readonly number: number }[],
    counts: ReadonlyMap<string, number>,
  ): Promise<readonly ("stored" | "duplicate" | "full")[] | undefined> {
    const [row] = await this.#database.query(
      `with offered as materialized (
         select * from unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bigint[])
         with ordinality as o (head, lane, key, body, number, place)
       ), heads as materialized (
         select key, last, size from ${this.#tables}.intake_heads where key = any ($6::bytea[]) order by key for update
       ), stored as (
         insert into ${this.#tables}.intake_items (head, lane, sequence, key, body)
         select o.head, o.lane, h.last + o.number, o.key, o.body from offered o join heads h on h.key = o.head
         where h.size + o.number <= $8 on conflict (head, key) do nothing returning head, key
       ), counted as (
         update ${this.#tables}.intake_heads i set last = i.last + c.offered,
           size = i.size + (select count(*) from stored s where s.head = c.head)
         from unnest($6::bytea[], $7::bigint[]) as c (head, offered) where i.key = c.head
       )
       select case when (select count(*) from stored) < (select count(*) from offered) then (
         select array_agg(case
           when exists (select from stored s where s.head = o.head and s.key = o.key) then 'stored'
           when h.size + o.number <= $8
             or exists (select from ${this.#tables}.intake_items i where i.head = o.head and i.key = o.key)
             then 'duplicate'
           else 'full' end order by o.place)
         from offered o left join heads h on h.key = o.head
       ) end as answers`,
      [
        bytesArray(items.map(({ offer }) => this.#headOf(offer.partition))),
        numberArray(items.map(({ offer }) => offer.lane)),
        bytesArray(items.map(({ offer }) => hashed(offer.key))),
        bytesArray(items.map(({ offer }) => offer.body)),
        numberArray(items.map(({ number }) => number)),
        bytesArray([...counts.keys()].map(this.#headOf)),
        numberArray([...counts.values()]),
        this.#maxItems,
      ],
    );
    return (row?.["answers"] ?? undefined) as readonly ("stored" | "duplicate" | "full")[] | undefined;
  }

  async read(
    partition: string,
    after: ReadonlyMap<number, number>,
    { count, bytes, waitMs, signal }: IntakeLimit,
  ): Promise<readonly Offered[]> {
    if (signal.aborted) return [];
    const hearing = this.#hear(partition);
    const search = { partition, after, count, bytes };
    const arrived = Promise.withResolvers<void>();
    const arrive = (): void => arrived.resolve();
    hearing.waiting.add(arrive);
    signal.addEventListener("abort", arrive, { once: true });
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      if (waitMs === 0 || !isComplete(hearing.complete, after)) {
        const found = await this.#search(hearing, search);
        if (found.length > 0 || waitMs === 0) return signal.aborted ? [] : found;
      }
      timer = setTimeout(arrive, waitMs);
      await arrived.promise;
      return signal.aborted ? [] : await this.#search(hearing, search);
    } finally {
      clearTimeout(timer);
      hearing.waiting.delete(arrive);
      signal.removeEventListener("abort", arrive);
    }
  }

  async trim(partition: string, upTo: ReadonlyMap<number, number>): Promise<void> {
    await this.#trims.add({ partition, upTo });
  }

  async backlog(partitions: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#database.query(
      `select p.place, h.size from unnest($1::bytea[]) with ordinality as p (key, place)
       join ${this.#tables}.intake_heads h on h.key = p.key`,
      [bytesArray(partitions.map(this.#headOf))],
    );
    return new Map(rows.map(({ place, size }) => [partitions[Number(place) - 1]!, Number(size)]));
  }

  [Symbol.dispose](): void {
    for (const { listening, timer } of this.#heard.values()) {
      clearTimeout(timer);
      listening[Symbol.dispose]();
    }
    this.#heard.clear();
  }

  async #createHeads(partitions: readonly string[]): Promise<void> {
    const missing = partitions.filter((partition) => !this.#known.has(partition));
    if (missing.length === 0) return;
    await this.#database.query(
      `insert into ${this.#tables}.intake_heads (key, last, size) select key, 0, 0 from unnest($1::bytea[]) as p (key)
       on conflict (key) do nothing`,
      [bytesArray(missing.map(this.#headOf))],
    );
    for (const partition of missing) this.#known.add(partition);
  }

  /** Listens to a partition for as long as it is read. */
  #hear(partition: string): Hearing {
    let hearing = this.#heard.get(partition);
    if (hearing === undefined) {
      const waiting = new Set<() => void>();
      const listening = this.#wire.subscribe(subjectOf(partition), () => {
        heard.complete = undefined;
        for (const arrive of waiting) arrive();
      });
      const heard: Hearing = { listening, waiting, timer: undefined, complete: undefined };
      this.#heard.set(partition, heard);
      hearing = heard;
    }
    const own = hearing;
    clearTimeout(own.timer);
    own.timer = setTimeout(() => {
      if (own.waiting.size > 0) return;
      own.listening[Symbol.dispose]();
      this.#heard.delete(partition);
    }, IDLE_MS);
    own.timer.unref();
    return own;
  }

  /** Searches items, and notes whether all were found. */
  async #search(hearing: Hearing, search: Search): Promise<readonly Offered[]> {
    const { after, count } = search;
    const upTo = new Map(after);
    // items from now on are heard of
    hearing.complete = upTo;
    let found: readonly Offered[];
    try {
      found = await this.#searches.add(search);
    } catch (error) {
      hearing.complete = undefined;
      throw error;
    }
    let bytes = 0;
    for (const { lane, sequence, body } of found) {
      upTo.set(lane, sequence);
      bytes += body.length;
    }
    if (hearing.complete === upTo && (found.length >= count || bytes >= search.bytes)) hearing.complete = undefined;
    return found;
  }

  /** Finds items, those of each lane in turns. It visits one row for each lane and each item that it returns. */
  async #find(searches: readonly Search[]): Promise<readonly (readonly Offered[])[]> {
    const positions = searches.flatMap(({ after }, place) =>
      [...after].map(([lane, sequence]) => ({ place: place + 1, lane, sequence })),
    );
    const rows = await this.#database.query(
      `with recursive asked as materialized (
         select * from unnest($1::bytea[], $2::bigint[], $3::bigint[]) with ordinality as a (head, count, bytes, place)
       ), positions as materialized (
         select * from unnest($4::bigint[], $5::bigint[], $6::bigint[]) as p (place, lane, sequence)
       ), lanes (place, head, lane) as (
         select a.place, a.head, (select min(i.lane) from ${this.#tables}.intake_items i where i.head = a.head)
         from asked a
         union all
         select l.place, l.head,
           (select min(i.lane) from ${this.#tables}.intake_items i where i.head = l.head and i.lane > l.lane)
         from lanes l where l.lane is not null
       ), found as (
         select l.place, f.*, row_number() over in_turn as number,
           sum(octet_length(f.body)) over in_turn - octet_length(f.body) as before
         from lanes l cross join lateral (
           select i.lane, i.sequence, i.body, row_number() over (order by i.sequence) as turn
           from ${this.#tables}.intake_items i
           where i.head = l.head and i.lane = l.lane and i.sequence > coalesce(
             (select p.sequence from positions p where p.place = l.place and p.lane = l.lane), 0)
           order by i.sequence limit $7
         ) f where l.lane is not null
         window in_turn as (partition by l.place order by f.turn, f.lane)
       )
       select f.place, f.lane, f.sequence, f.body from found f join asked a on a.place = f.place
       where f.before < a.bytes and f.number <= a.count order by f.place, f.number`,
      [
        bytesArray(searches.map(({ partition }) => this.#headOf(partition))),
        numberArray(searches.map(({ count }) => count)),
        numberArray(searches.map(({ bytes }) => Math.max(1, bytes))),
        numberArray(positions.map(({ place }) => place)),
        numberArray(positions.map(({ lane }) => lane)),
        numberArray(positions.map(({ sequence }) => sequence)),
        Math.max(...searches.map(({ count }) => count)),
      ],
    );
    const found: Offered[][] = searches.map(() => []);
    for (const { place, lane, sequence, body } of rows) {
      const { buffer, byteOffset, length } = body as Buffer;
      found[Number(place) - 1]!.push({
        lane: Number(lane),
        sequence: Number(sequence),
        body: new Uint8Array(buffer, byteOffset, length),
      });
    }
    return found;
  }

  /** Removes items. Locks the partitions in the order in which offers do. */
  async #remove(trims: readonly Trim[]): Promise<void[]> {
    const ends = trims.flatMap(({ partition, upTo }) =>
      [...upTo].map(([lane, sequence]) => ({ head: this.#headOf(partition), lane, sequence })),
    );
    await this.#database.query(
      `with ends as materialized (
         select * from unnest($1::bytea[], $2::bigint[], $3::bigint[]) as e (head, lane, sequence)
       ), heads as materialized (
         select key from ${this.#tables}.intake_heads where key in (select head from ends) order by key for update
       ), trimmed as (
         delete from ${this.#tables}.intake_items i using ends e join heads h on h.key = e.head
         where i.head = e.head and i.lane = e.lane and i.sequence <= e.sequence returning i.head
       )
       update ${this.#tables}.intake_heads h set size = h.size - t.count
       from (select head, count(*) as count from trimmed group by head) t where h.key = t.head`,
      [
        bytesArray(ends.map(({ head }) => head)),
        numberArray(ends.map(({ lane }) => lane)),
        numberArray(ends.map(({ sequence }) => sequence)),
      ],
    );
    return trims.map(() => {});
  }
}

/** Whether all up to positions was found by a reader that knew no more than one with others. */
function isComplete(complete: ReadonlyMap<number, number> | undefined, after: ReadonlyMap<number, number>): boolean {
  return complete !== undefined && [...complete].every(([lane, sequence]) => (after.get(lane) ?? 0) >= sequence);
}

const subjectOf = (partition: string): string => `intake/${partition}`;
