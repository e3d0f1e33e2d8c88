import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Embedder } from "../embed/embedder.ts";
import { hashEmbedder } from "../embed/hash-embedder.ts";
import { openAiCompatible } from "../embed/open-ai-compatible.ts";
import { transformers } from "../embed/transformers.ts";
import { evaluate, type Measured, setWeight } from "../evaluation/evaluate.ts";
import { readSet } from "../evaluation/evaluation-set.ts";

const EMBEDDERS = "none, hash, openai:URL,MODEL,DIMS or folder:PATH,DIMS";

/** Values of the command line. */
export interface EvalOptions {
  /** @defaultValue `conversations` */
  readonly set?: string | undefined;
  /** @defaultValue `none` */
  readonly embedder?: string | undefined;
  /** Texts of wordnet. @defaultValue 5000 */
  readonly most?: string | undefined;
  /** Folder of a memory into whose catalog the model's weight is written; none when absent. */
  readonly directory: string | undefined;
}

/**
 * Measures retrieval on a set with known answers beside baselines, and prints each measure with its interval.
 *
 * @throws RangeError for values that cannot be followed, Error for a set that cannot be read
 */
export async function evalCommand(options: EvalOptions): Promise<void> {
  const embedder = embedderOf(options.embedder ?? "none");
  const most = Number(options.most ?? 5_000);
  if (!Number.isSafeInteger(most) || most < 1)
    throw new RangeError(`Option "--most" must be a whole number of 1 or more: got "${options.most}"`);
  if (options.directory !== undefined && embedder === undefined)
    throw new RangeError('Option "--write" needs an "--embedder": there is no weight without one');
  const set = await readSet(options.set ?? "conversations", most);
  const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-memory-eval-"));
  try {
    const { measured, weight } = await evaluate(set, folder, embedder);
    const counted = embedder === undefined ? set.questions.length : Math.floor(set.questions.length / 2);
    print(`${set.name}: ${set.fragments.length} texts, ${counted} questions; mean and 95 % interval`);
    for (const each of measured) printMeasured(each);
    if (embedder !== undefined && weight !== undefined) await tellWeight(embedder, weight, options.directory);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function embedderOf(name: string): Embedder | undefined {
  const [kind = "", rest = ""] = name.split(/:(.*)/s);
  const parts = rest.split(",");
  const dims = Number(parts.at(-1));
  if (kind === "none") return undefined;
  if (kind === "hash") return hashEmbedder();
  if (kind === "openai" && parts.length === 3)
    return openAiCompatible({ url: parts[0] ?? "", model: parts[1] ?? "", dims });
  if (kind === "folder" && parts.length === 2) return transformers({ folder: parts[0] ?? "", dims });
  throw new RangeError(`Option "--embedder" must be ${EMBEDDERS}: got "${name}"`);
}

function printMeasured({ system, metrics }: Measured): void {
  print(system);
  for (const [name, { mean, low, high }] of Object.entries(metrics))
    print(`  ${name.padEnd(10)} ${mean.toFixed(3)}  ${low.toFixed(3)}–${high.toFixed(3)}`);
}

async function tellWeight(embedder: Embedder, weight: number, directory: string | undefined): Promise<void> {
  if (directory === undefined) {
    print(`With --write, the weight ${weight} of ${embedder.name} is written to the memory in --directory`);
    return;
  }
  await setWeight(directory, embedder, weight);
  print(`Wrote the weight ${weight} of ${embedder.name} to the memory in ${directory}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
