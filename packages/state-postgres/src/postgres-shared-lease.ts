import { randomUUID } from "node:crypto";
import type { SharedLease, SharedLeaseRequest } from "penguiflow";
import { requireInteger, sharedLeaseEnded, toStorable } from "penguiflow/adapter";
import type { Database } from "./database.ts";

/** Time after its expiry at which a shared lease is removed, which ends it. */
const LEFT = "1 hour";

/** Creates a shared lease as a row: it lasts while its row is there and has not expired by the server's clock. */
export async function createSharedLease(
  database: Database,
  tables: string,
  { owner, leaseMs }: SharedLeaseRequest,
): Promise<SharedLease> {
  requireInteger("leaseMs", leaseMs, 1);
  const id = randomUUID();
  // tried again after a lost answer, it changes the same row
  await database.query(
    `with gone as (
       delete from ${tables}.shared_leases where id in (
         select id from ${tables}.shared_leases where ends_at < clock_timestamp() - interval '${LEFT}'
         for update skip locked
       )
     )
     insert into ${tables}.shared_leases (id, owner, ends_at)
     values ($1, $2, clock_timestamp() + $3::float8 * interval '1 millisecond')
     on conflict (id) do update set ends_at = excluded.ends_at`,
    [id, toStorable(owner), leaseMs],
  );
  return {
    id,
    async renew() {
      const renewed = await database.query(
        `update ${tables}.shared_leases set ends_at = clock_timestamp() + $2::float8 * interval '1 millisecond'
         where id = $1 returning id`,
        [id, leaseMs],
      );
      if (renewed.length === 0) throw sharedLeaseEnded(owner, "another writer has taken one of them");
    },
    async close() {
      await database.query(`delete from ${tables}.shared_leases where id = $1`, [id]);
    },
  };
}
