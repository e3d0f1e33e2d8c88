// A memory at work, printed as it happens, without a key or a network: `npm run memory:demo`. A conversation is
// remembered, recalled with reasons, shared, unshared, corrected and forgotten.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { hashEmbedder, type MemoryHandle, openMemory, type Recall } from "@penguiflow/memory-service";

const print = (line = ""): void => void process.stdout.write(`${line}\n`);

function printRecall(who: string, query: string, { items, fallbacks }: Recall): void {
  print(`${who} asks: ${query}`);
  if (items.length === 0) print("  nothing");
  for (const { text, source, why } of items) {
    const ranks = [
      why.words === undefined ? [] : [`words #${why.words}`],
      why.vectors === undefined ? [] : [`vectors #${why.vectors}`],
      why.speaker === 1 ? [] : ["its speaker is named"],
      why.strength === 1 ? [] : [`reinforced ×${why.strength.toFixed(2)}`],
    ].flat();
    print(`  “${text}”${source === undefined ? "" : ` (${source})`}: ${ranks.join(", ")}`);
  }
  for (const { stage, reason } of fallbacks) print(`  [${stage} took its second way: ${reason}]`);
}

async function ask(who: string, memory: MemoryHandle, query: string): Promise<Recall> {
  const recall = await memory.retrieve({ query, limit: 2, within: "chat" });
  printRecall(who, query, recall);
  return recall;
}

/** Returns the names of the files that have a text. */
function filesWith(folder: string, text: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = entries.map((entry) => path.join(entry.parentPath, entry.name));
  return files.filter((file) => readFileSync(file).includes(text)).map((file) => path.relative(folder, file));
}

const directory = mkdtempSync(path.join(os.tmpdir(), "penguiflow-memory-demo-"));
try {
  await using memory = await openMemory({ directory, embedder: hashEmbedder() });
  const [ada, bob] = [memory.as({ tenant: "house", user: "ada" }), memory.as({ tenant: "house", user: "bob" })];
  const eve = memory.as({ tenant: "office", user: "eve" });

  print("— Remembered");
  const said = [
    ["Ada", "The gate code is 4711, and the gate sticks when it rains."],
    ["Bob", "Noted. When does the dog need to go out?"],
    ["Ada", "At seven, before breakfast. He likes the path by the river."],
  ] as const;
  const turns = said.map(([source, text]) => ({ text, source, conversation: "chat", role: "user" as const }));
  const { ids } = await ada.ingest(turns, { idempotencyKey: "demo-1" });
  await memory.drained();
  for (const [source, text] of said) print(`  ${source}: ${text}`);
  const again = await ada.ingest(turns, { idempotencyKey: "demo-1" });
  print(`  the same request again: ${again.created ? "kept twice!" : "kept once, the same answer"}`);

  print("— Recalled, with reasons");
  await ask("ada", ada, "What is the code of the gate?");
  await ask("ada", ada, "what did Ada say about wakling by the rivr?");
  await ask("bob", bob, "gate code");

  print("— Shared");
  const [gate = ""] = ids;
  await ada.share(gate, { tenant: "house", user: "bob" });
  await ada.share(gate, { tenant: "office", user: "eve" });
  await ask("bob", bob, "gate code");
  const federated = await eve.federatedQuery({ query: "gate code", limit: 1 });
  for (const { tenant, status, found } of federated.sources)
    print(`eve's sources: ${tenant} ${status}, ${found} found`);

  print("— Unshared");
  await ada.unshare(gate, { tenant: "house", user: "bob" });
  await ask("bob", bob, "gate code");

  print("— Corrected");
  const { feedback } = await ada.ingest({ text: "Actually, that's wrong.", conversation: "chat", role: "user" });
  print(`  ada: Actually, that's wrong. → ${feedback}`);
  await ada.ingest({ text: "The gate code is 1147 now.", source: "Ada", conversation: "chat", supersedes: gate });
  await ask("ada", ada, "gate code");

  print("— Forgotten");
  print(`  files with “4711”: ${filesWith(directory, "4711").join(", ")}`);
  await ada.erase(gate);
  print(`  files with “4711” now: ${filesWith(directory, "4711").join(", ") || "none"}`);
  const { items } = await ada.events({ limit: 100 });
  print(`  the log keeps: ${items[0]?.type} by ${items[0]?.actor}`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
