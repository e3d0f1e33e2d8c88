// Measures retrieval on a set with known answers, beside baselines: `npm run eval -- --set conversations`.
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Embedder, hashEmbedder, openAiCompatible, transformers } from "@penguiflow/memory-service";
import { readCommandLine, refuse, wholeNumber } from "../../../scripts/command-line.ts";
import { evaluate, setWeight } from "./eval/evaluate.ts";
import { readSet } from "./eval/evaluation-set.ts";

const USAGE = `Usage: npm run eval -- [--set name] [--embedder name] [--most n] [--write folder]

  --set       conversations (in this repository), wordnet, locomo:FILE, cranfield:FOLDER,
              or a JSONL file like conversations.jsonl; conversations when left out
  --embedder  none, hash, openai:URL,MODEL,DIMS or folder:PATH,DIMS; none when left out
  --most      texts of wordnet, 5000 when left out
  --write     folder of a memory into whose catalog the model's weight is written`;

const { values } = readCommandLine(USAGE, {
  set: { type: "string", default: "conversations" },
  embedder: { type: "string", default: "none" },
  most: { type: "string", default: "5000" },
  write: { type: "string" },
});

function embedderOf(name: string): Embedder | undefined {
  const [kind = "", rest = ""] = name.split(/:(.*)/s);
  const parts = rest.split(",");
  const dims = Number(parts.at(-1));
  if (kind === "none") return undefined;
  if (kind === "hash") return hashEmbedder();
  if (kind === "openai" && parts.length === 3)
    return openAiCompatible({ url: parts[0] ?? "", model: parts[1] ?? "", dims });
  if (kind === "folder" && parts.length === 2) return transformers({ folder: parts[0] ?? "", dims });
  return refuse(`Option "--embedder" must be none, hash, openai:URL,MODEL,DIMS or folder:PATH,DIMS: got "${name}"`);
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const embedder = embedderOf(values.embedder);
const set = await readSet(values.set, wholeNumber("most", values.most));
const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-memory-eval-"));
try {
  const { measured, weight } = await evaluate(set, folder, embedder);
  const counted = embedder === undefined ? set.questions.length : Math.floor(set.questions.length / 2);
  print(`${set.name}: ${set.fragments.length} texts, ${counted} questions; mean and 95 % interval`);
  for (const { system, metrics } of measured) {
    print(system);
    for (const [name, { mean, low, high }] of Object.entries(metrics))
      print(`  ${name.padEnd(10)} ${mean.toFixed(3)}  ${low.toFixed(3)}–${high.toFixed(3)}`);
  }
  if (weight === undefined || embedder === undefined) print("no model: no weight to settle");
  else if (values.write === undefined)
    print(`--write FOLDER writes the weight ${weight} of ${embedder.name} to a memory's catalog`);
  else {
    await setWeight(values.write, embedder, weight);
    print(`wrote weight ${weight} of ${embedder.name} to the catalog of ${values.write}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
