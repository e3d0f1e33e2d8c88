// Saves events of a trace shared by all processes, and of its own: `node saving-process.ts <schema> <name> <batches>`.
import type { StoredEvent } from "penguiflow";
import { PostgresStateStore } from "@penguiflow/state-postgres";
import { connection } from "./server.ts";

const [schema = "", name = "", batches = "0"] = process.argv.slice(2);
await using store = await PostgresStateStore.open({ connection, schema });
for (let number = 0; number < Number(batches); number += 1) {
  const event = (traceId: string, place: number): StoredEvent => ({
    tenant: "ada",
    traceId,
    kind: "node_start",
    at: Date.now(),
    node: name,
    payload: { name, number: number * 2 + place },
  });
  await store.saveEvents([event("shared", 0), event(name, 0), event("shared", 1), event(name, 1)]);
}
