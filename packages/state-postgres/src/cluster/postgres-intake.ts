import type { Intake, IntakeLimit, Offer, Offered, Wire } from "penguiflow/adapter";
import type { Database } from "../database.ts";
import { hashed } from "./names.ts";

const WAKE = Uint8Array.of(1);

/**
 * Stores the items of an intake as rows. Sequences come from the row of their partition, which is locked until the items
 * are committed: so they become visible in order, and a reader that resumes after a position misses none.
 */
export class PostgresIntake implements Intake {
  readonly #database: Database;
  readonly #tables: string;
  readonly #wire: Wire;
  readonly #maxItems: number;
  readonly #known = new Set<string>();

  constructor(database: Database, tables: string, wire: Wire, maxItems: number) {
    this.#database = database;
    this.#tables = tables;
    this.#wire = wire;
    this.#maxItems = maxItems;
  }

  async offer(offers: readonly Offer[]): Promise<readonly ("stored" | "duplicate" | "full")[]> {
    if (offers.length === 0) return [];
    const partitions = [...new Set(offers.map(({ partition }) => partition))];
    await this.#createHeads(partitions);
    const rows = await this.#database.query(
      `with offered as (
         select *, row_number() over (partition by head order by place) as number,
           row_number() over (partition by head, key order by place) as time
         from unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[]) with ordinality as o (head, lane, key, body, place)
       ), heads as (
         select key, last, size from ${this.#tables}.intake_heads
         where key in (select head from offered) order by key for update
       ), wanted as (
         select o.* from offered o join heads h on h.key = o.head
         where o.time = 1 and h.size + o.number <= $5
       ), stored as (
         insert into ${this.#tables}.intake_items (head, lane, sequence, key, body)
         select w.head, w.lane, h.last + w.number, w.key, w.body from wanted w join heads h on h.key = w.head
         order by w.place on conflict (head, key) do nothing returning head, key
       ), counted as (
         update ${this.#tables}.intake_heads i set last = i.last + c.offered, size = i.size + c.stored
         from (
           select o.head, count(*) as offered,
             (select count(*) from stored s where s.head = o.head) as stored
           from offered o group by o.head
         ) c where c.head = i.key returning i.key
       )
       select o.place, case
         when o.time > 1 then 'duplicate'
         when exists (select from stored s where s.head = o.head and s.key = o.key) then 'stored'
         when exists (select from wanted w where w.place = o.place) then 'duplicate'
         when exists (select from ${this.#tables}.intake_items i where i.head = o.head and i.key = o.key) then 'duplicate'
         else 'full' end as answer
       from offered o left join counted c on c.key = o.head order by o.place`,
      [
        offers.map(({ partition }) => hashed(partition)),
        offers.map(({ lane }) => lane),
        offers.map(({ key }) => hashed(key)),
        offers.map(({ body }) => Buffer.from(body)),
        this.#maxItems,
      ],
    );
    for (const partition of partitions) this.#wire.publish(subjectOf(partition), WAKE);
    return rows.map(({ answer }) => answer as "stored" | "duplicate" | "full");
  }

  async read(partition: string, after: ReadonlyMap<number, number>, limit: IntakeLimit): Promise<readonly Offered[]> {
    const { waitMs, signal } = limit;
    if (signal.aborted) return [];
    const arrived = Promise.withResolvers<void>();
    // subscribed before it looks, so that nothing comes unheard in between
    const listening = this.#wire.subscribe(subjectOf(partition), () => arrived.resolve());
    const abort = (): void => arrived.resolve();
    signal.addEventListener("abort", abort, { once: true });
    const timer = setTimeout(abort, waitMs);
    try {
      const found = await this.#find(partition, after, limit);
      if (found.length > 0 || waitMs === 0) return signal.aborted ? [] : found;
      await arrived.promise;
      return signal.aborted ? [] : await this.#find(partition, after, limit);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      listening[Symbol.dispose]();
    }
  }

  async trim(partition: string, upTo: ReadonlyMap<number, number>): Promise<void> {
    await this.#database.query(
      `with trimmed as (
         delete from ${this.#tables}.intake_items i using unnest($2::bigint[], $3::bigint[]) as t (lane, sequence)
         where i.head = $1 and i.lane = t.lane and i.sequence <= t.sequence returning i.lane
       )
       update ${this.#tables}.intake_heads set size = size - (select count(*) from trimmed)
       where key = $1 and exists (select from trimmed)`,
      [hashed(partition), [...upTo.keys()], [...upTo.values()]],
    );
  }

  async backlog(partitions: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#database.query(
      `select p.place, h.size from unnest($1::bytea[]) with ordinality as p (key, place)
       join ${this.#tables}.intake_heads h on h.key = p.key`,
      [partitions.map((partition) => hashed(partition))],
    );
    return new Map(rows.map(({ place, size }) => [partitions[Number(place) - 1]!, Number(size)]));
  }

  async #createHeads(partitions: readonly string[]): Promise<void> {
    const missing = partitions.filter((partition) => !this.#known.has(partition));
    if (missing.length === 0) return;
    await this.#database.query(
      `insert into ${this.#tables}.intake_heads (key, last, size) select key, 0, 0 from unnest($1::bytea[]) as p (key)
       on conflict (key) do nothing`,
      [missing.map((partition) => hashed(partition))],
    );
    for (const partition of missing) this.#known.add(partition);
  }

  /** Finds items, those of each lane in turns. It visits one row for each lane and each item that it returns. */
  async #find(
    partition: string,
    after: ReadonlyMap<number, number>,
    { count, bytes }: IntakeLimit,
  ): Promise<readonly Offered[]> {
    const rows = await this.#database.query(
      `with recursive lanes (lane) as (
         select min(lane) from ${this.#tables}.intake_items where head = $1
         union all
         select (select min(i.lane) from ${this.#tables}.intake_items i where i.head = $1 and i.lane > l.lane)
         from lanes l where l.lane is not null
       ), found as (
         select f.*, sum(octet_length(f.body)) over (order by f.turn, f.lane) - octet_length(f.body) as before
         from lanes l cross join lateral (
           select i.lane, i.sequence, i.body, row_number() over (order by i.sequence) as turn
           from ${this.#tables}.intake_items i
           where i.head = $1 and i.lane = l.lane and i.sequence > coalesce(
             (select a.sequence from unnest($2::bigint[], $3::bigint[]) as a (lane, sequence) where a.lane = l.lane), 0)
           order by i.sequence limit $4
         ) f where l.lane is not null
       )
       select lane, sequence, body from found where before < $5 order by turn, lane limit $4`,
      [hashed(partition), [...after.keys()], [...after.values()], count, Math.max(1, bytes)],
    );
    return rows.map(({ lane, sequence, body }) => ({
      lane: Number(lane),
      sequence: Number(sequence),
      body: new Uint8Array(body as Buffer),
    }));
  }
}

const subjectOf = (partition: string): string => `intake/${partition}`;
