// Writes a partition until it is refused: `node appending-process.ts <schema> <owner> <leaseMs>`. Prints the number of
// each stored batch, and the code of the error that ends it.
import { FlowError, type JournalPartition } from "penguiflow";
import { PostgresJournal } from "@penguiflow/state-postgres";
import { append } from "./journal-batches.ts";
import { connection } from "./server.ts";

const [schema = "", owner = "", leaseMs = ""] = process.argv.slice(2);
await using journal = await PostgresJournal.open({ connection, schema });
const partition: JournalPartition = await journal.open({ partition: "orders", owner, leaseMs: Number(leaseMs) });
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
