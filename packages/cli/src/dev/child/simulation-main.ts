// The process of one simulation. It is started with the project's folder, the file, the first seed and their number.
import { setSourceMapsSupport } from "node:module";
import path from "node:path";
import type { SimulationItem } from "@penguiflow/playground/protocol";
import { type SimulateOptions, simulate, SimulationError } from "penguiflow/testing";
import { load, loadEnvFile } from "../../project/load-project.ts";

const [, , root = "", file = "", from = "1", seeds = "100"] = process.argv;

setSourceMapsSupport(true, { nodeModules: false });
process.on("disconnect", () => process.exit(0));

/** Sends an item, and resolves once it is taken. */
async function send(item: SimulationItem): Promise<void> {
  await new Promise<void>((resolve) => {
    process.send?.(item, undefined, undefined, () => resolve());
  });
}

/** Runs all seeds: also those after one that breaks the flow, with which `simulate` ends. */
async function run(options: SimulateOptions<unknown, unknown>): Promise<void> {
  const last = Number(from) + Number(seeds);
  const occurred = new Set<string>();
  const missing = new Set<string>();
  let failed = 0;
  let next = Number(from);
  while (next < last) {
    const first = next;
    const list = Array.from({ length: last - first }, (_, at) => first + at);
    try {
      await simulate({
        ...options,
        seeds: list,
        onSeed: async (progress) => {
          const { seed, faults, neverOccurred, broken } = progress;
          next = seed + 1;
          for (const fault of Object.keys(faults)) occurred.add(fault);
          for (const fault of neverOccurred) missing.add(fault);
          const isGood = broken.length === 0;
          const message = isGood ? {} : { message: broken.join("\n") };
          await send({ type: "seed", seed, isGood, faults: Object.keys(faults), ...message });
          await options.onSeed?.(progress);
        },
      });
    } catch (error) {
      if (!(error instanceof SimulationError)) throw error;
      failed += 1;
      next = error.seed + 1;
    }
  }
  await send({ type: "end", failed, never: [...missing].filter((fault) => !occurred.has(fault)) });
}

process.chdir(root);
try {
  loadEnvFile(path.join(root, ".env"));
  const { default: options } = await load(path.resolve(root, file), root);
  if (typeof options !== "object" || options === null)
    throw new TypeError(`${file} must export the options of simulate() as default`);
  await run(options as SimulateOptions<unknown, unknown>);
} catch (error) {
  await send({ type: "end", failed: 0, never: [], error: error instanceof Error ? error.message : String(error) });
}
process.exit(0);
