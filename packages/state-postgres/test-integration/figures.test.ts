import { postgresBackend } from "@penguiflow/state-postgres";
import { expect, test } from "vitest";
import { TestSchema } from "./server.ts";

test("the figures of a backend tell the room of its checkpoints, what is live of it, and the results that are kept", async () => {
  await using schema = await TestSchema.create();
  await using backend = await postgresBackend({ connection: schema.url(), schema: schema.name });
  const analyze = `analyze "${schema.name}".journal_entries`;
  const partition = await backend.checkpoints.open({ partition: "p", owner: "one", leaseMs: 60_000 });
  const state = JSON.stringify("x".repeat(1_000));
  const entry = { tenant: "t", status: "open", version: 1, state } as const;
  const put = Array.from({ length: 500 }, (_, run) => ({ ...entry, run, traceId: `trace-${run}` }));
  await partition.append({ put, remove: [], counts: new Map() }, 0);
  const key = { partition: "p", tenant: "t", id: "i" };
  await backend.results.put([{ key, isFinal: true, body: Uint8Array.of(1), keepMs: 60_000 }]);
  // the server's statistics come a little late, and are then added to those of an earlier analysis
  const analysed = async () => {
    await schema.rows(analyze);
    return await backend.figures!();
  };
  let figures = await analysed();
  while (figures.keptResults !== 1 || figures.liveBytes === undefined || figures.liveBytes > figures.checkpointBytes!)
    figures = await analysed();
  expect(figures.checkpointBytes).toBeGreaterThan(500_000);
  expect(figures.liveBytes).toBeGreaterThan(500_000);
  expect(figures.replicasBehind).toBe(0);
  await partition.append({ put: [], remove: put.map(({ run }) => run), counts: new Map() }, 1);
  while (figures.liveBytes! > 0) figures = await analysed();
  expect(figures.keptResults).toBe(1);
});
