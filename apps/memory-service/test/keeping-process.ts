// A process that keeps numbered texts until it is killed, and writes the number of each that was accepted. It begins
// again with the number after the last that its parent has read: `node keeping-process.ts DIRECTORY FIRST`.
import { hashEmbedder, openMemory } from "@penguiflow/memory-service";

const [directory = "", first = "0"] = process.argv.slice(2);
const memory = await openMemory({ directory, embedder: hashEmbedder(64) });
const ada = memory.as({ tenant: "acme", user: "ada" });
for (let number = Number(first); ; number++) {
  // the process before may have kept it without being heard
  await ada.ingest({ text: `fact number n${number}n`, conversation: "c" }, { idempotencyKey: `key-${number}` });
  process.stdout.write(`${number}\n`);
}
