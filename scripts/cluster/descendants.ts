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

function descendants(name: string): readonly Stat[] {
  const all = new Map<number, Stat>();
  for (const entry of readdirSync("/proc")) {
    const stat = /^\d+$/.test(entry) ? statOf(entry) : undefined;
    if (stat !== undefined) all.set(Number(entry), stat);
  }
  const isOurs = (pid: number): boolean => {
    const parent = all.get(pid)?.parent;
    return parent !== undefined && (parent === process.pid || isOurs(parent));
  };
  return [...all].filter(([pid, stat]) => stat.name.startsWith(name) && isOurs(pid)).map(([, stat]) => stat);
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
