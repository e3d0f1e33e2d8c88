import { readdirSync, readFileSync } from "node:fs";

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    // it has ended meanwhile
    return undefined;
  }
}

/** Lists a process and all that it has started. Linux only. */
export function treeOf(pid: number): readonly number[] {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const parents = new Map(all.map((name) => [Number(name), parentOf(Number(name))]));
  const within = (child: number | undefined): boolean =>
    child === pid || (child !== undefined && child > 1 && within(parents.get(child)));
  return [...parents.keys()].filter(within);
}

/** Returns the memory of a process and all that it has started, in bytes; what they share counts once. Linux only. */
export function memoryOf(pid: number): number {
  return treeOf(pid).reduce((sum, each) => {
    const lines = readFileSync(`/proc/${each}/smaps_rollup`, "utf8");
    return sum + Number(/^Pss:\s+(\d+) kB$/m.exec(lines)![1]) * 1_024;
  }, 0);
}
