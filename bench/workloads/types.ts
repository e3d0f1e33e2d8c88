import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import type { Closable, Workload } from "../contract.ts";

/** Script that counts type instantiations: prints how many twenty connected nodes add. */
export interface TypesRig extends Closable {
  readonly script: string;
}

const root = path.join(import.meta.dirname, "../..");

export const workloads: readonly Workload<undefined, TypesRig>[] = [
  {
    name: "types",
    family: "types",
    title: "what 20 connected nodes cost the compiler",
    figures: [{ name: "instantiations", better: "less" }],
    setup: undefined,
    subjects: ["penguiflow"],
    isExact: true,
    bars: [{ atMost: 4_999 }],
    async measure({ script }) {
      const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=@penguiflow/source", script], {
        cwd: root,
      });
      const added = /add (\d+) instantiations/.exec(stdout)?.[1];
      if (added === undefined) throw new Error(`Cannot read the instantiations of "${script}": ${stdout}`);
      return { figures: { instantiations: Number(added) }, requests: 1, processorShare: 1 };
    },
  },
];
