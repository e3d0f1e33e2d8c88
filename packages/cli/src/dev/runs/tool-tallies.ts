import type { RunFact } from "../ipc/fact.ts";

/** Latest durations of a tool's calls, from which the percentile is. */
const MAX_TIMES = 500;

interface Tally {
  calls: number;
  errors: number;
  readonly times: number[];
}

/** Counts of the calls of each tool since the server was started. */
export class ToolTallies {
  readonly #tallies = new Map<string, Tally>();

  add(facts: readonly RunFact[]): void {
    for (const fact of facts) {
      if (fact.kind !== "plan" || fact.event.type !== "result") continue;
      const { tool, output, ms } = fact.event;
      const key = JSON.stringify([fact.flow, tool]);
      const tally = this.#tallies.get(key) ?? { calls: 0, errors: 0, times: [] };
      this.#tallies.set(key, tally);
      tally.calls += 1;
      if (output.kind === "error" || output.kind === "unknown") tally.errors += 1;
      tally.times.push(ms);
      if (tally.times.length > MAX_TIMES) tally.times.shift();
    }
  }

  of(flow: string, tool: string): { readonly calls: number; readonly errors: number; readonly p95Ms?: number } {
    const { calls, errors, times } = this.#tallies.get(JSON.stringify([flow, tool])) ?? {
      calls: 0,
      errors: 0,
      times: [],
    };
    const p95Ms = times.toSorted((one, other) => one - other)[Math.ceil(times.length * 0.95) - 1];
    return { calls, errors, ...(p95Ms !== undefined && { p95Ms }) };
  }
}
