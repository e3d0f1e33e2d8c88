import { readdirSync, readFileSync } from "node:fs";

/** A process, by /proc/PID/stat. */
interface Stat {
  readonly parent: number;
  readonly name: string;
  /** Ticks of the process, and of its children that have ended. */
  readonly ticks: number;
  /** Pages in memory. */
  readonly pages: number;
}

const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4_096;

/** Returns the processor time of the descendants of this process with a name, in microseconds. Linux alone. */
export function timeOfDescendants(name: string): number {
  const ticks = descendants(name).reduce((sum, stat) => sum + stat.ticks, 0);
  return (ticks * 1_000_000) / TICKS_PER_SECOND;
}

/** Returns the bytes in memory of the descendants of this process with a name. Linux alone. */
export function residentOfDescendants(name: string): number {
  return descendants(name).reduce((sum, { pages }) => sum + pages, 0) * PAGE_BYTES;
}

/** Lists a process and all that it has started. Linux alone. */
export function treeOf(root: number): readonly number[] {
  return [...treeFrom(root).keys()];
}

/** Returns the memory of a process and all that it has started, in bytes; what they share counts once. Linux alone. */
export function memoryOf(root: number): number {
  return treeOf(root).reduce((sum, pid) => {
    const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8")) ?? [];
    return sum + Number(kilobytes) * 1_024;
  }, 0);
}

function descendants(name: string): readonly Stat[] {
  const tree = treeFrom(process.pid);
  tree.delete(process.pid);
  return [...tree.values()].filter((stat) => stat.name.startsWith(name));
}

/** Reads a process and all that it has started. */
function treeFrom(root: number): Map<number, Stat> {
  const all = new Map<number, Stat>();
  for (const entry of readdirSync("/proc")) {
    const stat = /^\d+$/.test(entry) ? statOf(entry) : undefined;
    if (stat !== undefined) all.set(Number(entry), stat);
  }
  const isWithin = (pid: number): boolean => {
    const parent = all.get(pid)?.parent;
    return pid === root || (parent !== undefined && isWithin(parent));
  };
  return new Map([...all].filter(([pid]) => isWithin(pid)));
}

function statOf(pid: string): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // the name stands in parentheses, and may have some of its own
    const end = text.lastIndexOf(")");
    const fields = text.slice(end + 2).split(" ");
    const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15).map(Number);
    return {
      parent: Number(fields[1]),
      name: text.slice(text.indexOf("(") + 1, end),
      ticks: utime + stime + cutime + cstime,
      pages: Number(fields[21]),
    };
  } catch {
    // it has ended meanwhile
    return undefined;
  }
}
