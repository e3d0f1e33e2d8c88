import { exportTraces, readTraces, type TraceState, type TraceSummary } from "penguiflow";
import { command } from "../command-line/command.ts";
import { JSON_FLAG, STORE_FLAG, TENANT_FLAG } from "../command-line/flags.ts";
import { instantOf } from "../command-line/instant.ts";
import { Exit } from "../exit.ts";
import { withStore } from "../store/open-store.ts";
import { counted, printJson, styled, table } from "../text.ts";

const STATES = ["running", "paused", "completed", "failed", "cancelled", "exhausted", "empty", "stopped"] as const;

/** Flags that select traces of a tenant. */
const FILTER = {
  state: { type: "string", choices: STATES, help: "only those in this state" },
  node: { type: "string", value: "node", help: "only those that failed at this node, or were seen last at it" },
  code: { type: "string", value: "code", help: "only those that ended with this error" },
  since: { type: "string", value: "time", help: "only those that began then or later: 15m, 2h, 7d, or a date" },
  tenant: TENANT_FLAG,
  store: STORE_FLAG,
} as const;

export const runsList = command({
  name: "runs list",
  summary: "Lists the traces in a state store, the latest first",
  words: [],
  flags: { ...FILTER, limit: { type: "integer", least: 1, default: 50, help: "maximum number" }, json: JSON_FLAG },
  examples: ["penguiflow runs list --store runs.db --state failed --since 2h"],
  exits: [Exit.FAILED, Exit.UNKNOWN],
  async run({ flags: { store: named, limit, json, ...filter }, io }) {
    const found = await withStore(
      io,
      named,
      async (store) => await firstOf(readTraces(store, filterOf(filter)), limit + 1),
    );
    const isMore = found.length > limit;
    if (isMore) found.pop();
    if (json) {
      printJson(io, found);
      return Exit.OK;
    }
    if (found.length === 0) io.err("There are no such runs\n");
    else io.out(table([["TRACE", "FLOW", "STATE", "BEGAN", "TOOK", "NODE", "ERROR"], ...found.map(rowOf)]));
    if (isMore) io.err(`${styled(io, "dim", `There are more than ${limit}: --limit shows more`)}\n`);
    return Exit.OK;
  },
});

export const runsExport = command({
  name: "runs export",
  summary: "Prints the events of traces in a state store, one JSON object a line",
  words: [],
  flags: FILTER,
  examples: ["penguiflow runs export --store runs.db --since 7d > week.jsonl"],
  exits: [Exit.FAILED, Exit.UNKNOWN],
  async run({ flags: { store: named, ...filter }, io }) {
    await withStore(io, named, async (store) => {
      for await (const line of exportTraces(store, filterOf(filter))) io.out(line);
    });
    return Exit.OK;
  },
});

interface Filter {
  readonly state: TraceState | undefined;
  readonly node: string | undefined;
  readonly code: string | undefined;
  readonly since: string | undefined;
  readonly tenant: string;
}

function filterOf({ state, node, code, since, tenant }: Filter) {
  return {
    tenant,
    state,
    node,
    errorCode: code,
    startedFrom: since === undefined ? undefined : instantOf("--since", since),
  };
}

async function firstOf(traces: AsyncIterable<TraceSummary>, count: number): Promise<TraceSummary[]> {
  const found: TraceSummary[] = [];
  for await (const trace of traces) if (found.push(trace) === count) break;
  return found;
}

function rowOf({ traceId, flow = "", state, startedAt, lastAt, node = "", errorCode = "" }: TraceSummary): string[] {
  return [traceId, flow, state, new Date(startedAt).toISOString(), duration(lastAt - startedAt), node, errorCode];
}

function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  return counted(Math.round(ms / 60_000), "minute");
}
