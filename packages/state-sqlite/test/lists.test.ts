import { DatabaseSync } from "node:sqlite";
import { SqliteStateStore } from "@penguiflow/state-sqlite";
import type { TraceQuery } from "penguiflow";
import { expect, test, vi } from "vitest";
import { newFile } from "./fixtures/new-file.ts";

test.each<[Omit<TraceQuery, "tenant">, string]>([
  [{}, "traces_by_start (tenant=?"],
  [{ startedFrom: 1, startedBefore: 5 }, "traces_by_start (tenant=? AND started_at>? AND started_at<?)"],
  [{ state: "failed" }, "traces_by_state (tenant=? AND state=?"],
  [{ errorCode: "NODE_TIMEOUT" }, "traces_by_error (tenant=? AND error_code=?"],
  [{ errorCode: "NODE_TIMEOUT", state: "failed", node: "n" }, "traces_by_error (tenant=? AND error_code=?"],
])("a list by %j, and each page of it, is found and ordered by an index", async (filter, index) => {
  const file = newFile();
  await using store = await SqliteStateStore.open({ file });
  const prepare = vi.spyOn(DatabaseSync.prototype, "prepare");
  await store.listTraces({ tenant: "ada", ...filter });
  await store.listTraces({ tenant: "ada", ...filter, cursor: "5/5" });
  const statements = prepare.mock.calls.map(([sql]) => sql);
  prepare.mockRestore();
  expect(statements).toHaveLength(2);
  const database = new DatabaseSync(file);
  for (const sql of statements) {
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
    expect(plan).toHaveLength(1);
    expect(plan[0]?.["detail"]).toContain(`SEARCH traces USING INDEX ${index}`);
  }
  database.close();
});
