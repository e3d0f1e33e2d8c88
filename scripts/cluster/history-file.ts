import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { HistoryEvent } from "../../packages/cluster/test/history/history.ts";

/** A folder in which each worker process writes the events of its backend. They outlast a kill at any time. */
export class HistoryFolder implements Disposable {
  readonly path: string = mkdtempSync(path.join(tmpdir(), "cluster-kill-"));

  /** Reads the events of all processes. The last line of a killed process may be cut. */
  read(): HistoryEvent[] {
    return readdirSync(this.path).flatMap((name) => {
      const lines = readFileSync(path.join(this.path, name), "utf8").split("\n").slice(0, -1);
      return lines.map((line) => JSON.parse(line) as HistoryEvent);
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

/** Returns the function that adds an event to the file of this process. */
export function historyFileIn(folder: string): (event: HistoryEvent) => void {
  const file = path.join(folder, `${process.pid}.jsonl`);
  return (event) => appendFileSync(file, `${JSON.stringify(event)}\n`);
}
