// Writes a partition until it is refused: `node appending-process.ts <schema> <owner> <leaseMs>`. Prints the number of
// each stored batch, and the code of the error that ends it.
import { FlowError, type CheckpointPartition } from "penguiflow";
import { PostgresCheckpointStore } from "@penguiflow/state-postgres";
import { append } from "./checkpoint-batches.ts";
import { connection } from "./server.ts";

const [schema = "", owner = "", leaseMs = ""] = process.argv.slice(2);
await using checkpoints = await PostgresCheckpointStore.open({ connection, schema });
const partition: CheckpointPartition = await checkpoints.open({ partition: "orders", owner, leaseMs: Number(leaseMs) });
try {
  for (;;) {
    const number = partition.sequence + 1;
    await append(partition, number, number);
    process.stdout.write(`${number}\n`);
  }
} catch (error) {
  if (!(error instanceof FlowError)) throw error;
  process.stdout.write(`${error.code}\n`);
}
