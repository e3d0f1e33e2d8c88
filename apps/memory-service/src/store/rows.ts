import { EventRows } from "./event-rows.ts";
import { FragmentRows } from "./fragment-rows.ts";
import { GrantRows } from "./grant-rows.ts";
import { JobRows } from "./job-rows.ts";
import type { Lexical } from "./lexical.ts";
import { RequestRows } from "./request-rows.ts";
import { SettingRows } from "./setting-rows.ts";
import type { Sql } from "./sql.ts";
import { VectorRows } from "./vector-rows.ts";

/** One transaction of a tenant's store, by kind of row. */
export interface Rows {
  readonly tenant: string;
  readonly fragments: FragmentRows;
  readonly grants: GrantRows;
  readonly events: EventRows;
  readonly jobs: JobRows;
  readonly vectors: VectorRows;
  readonly requests: RequestRows;
  readonly settings: SettingRows;
  readonly lexical: Lexical;
}

/** Returns the rows of a tenant over one transaction. */
export function rowsOver(sql: Sql, tenant: string, lexical: Lexical): Rows {
  return {
    tenant,
    fragments: new FragmentRows(sql, tenant),
    grants: new GrantRows(sql),
    events: new EventRows(sql),
    jobs: new JobRows(sql),
    vectors: new VectorRows(sql, tenant),
    requests: new RequestRows(sql),
    settings: new SettingRows(sql),
    lexical,
  };
}
