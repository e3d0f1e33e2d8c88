import { type GraphJson, OPEN_SEA } from "penguiflow";
import type { RunStarted } from "@penguiflow/playground/protocol";
import type { Kept } from "../ipc/fact.ts";
import type { OpenRun } from "../runs/runs.ts";
import { ApiError } from "../server/api-error.ts";
import { Fields } from "../server/body.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { KeptMessages } from "./run-details.ts";
import { beginRun, type RunWish } from "./run-starter.ts";

/**
 * Runs a run again, with its own input or another; or from one of its steps on, with the step's message or another.
 *
 * @throws ApiError `RUN_NOT_WHOLE`, `WRITES_UNCONFIRMED`, and what beginning a run throws
 */
export async function runAgain(
  supervisor: Supervisor,
  open: OpenRun,
  body: Readonly<Record<string, unknown>>,
): Promise<RunStarted> {
  const fields = new Fields(body, ["from", "input", "allowWrites"]);
  const { run } = open;
  const { flow, runId: of, tenant } = run.place;
  const { timeoutMs } = run.begun ?? {};
  const { graph } = supervisor.flow(flow);
  const id = fields.optionalText("from");
  const begin = id === undefined ? undefined : stepOf(supervisor, open, id);
  if (!fields.flag("allowWrites")) requireNoWrites(graph, begin?.node);
  const kept = begin === undefined ? run.input : begin.message?.payload;
  const input = fields.has("input") ? { input: fields.any("input") } : inputOf(kept);
  const from = begin && { node: begin.node, meta: begin.message?.meta };
  const again = { of, ...(id !== undefined && { from: id }) };
  return { runId: await beginRun(supervisor, { flow, tenant, timeoutMs, again, from, ...input }) };
}

/** @throws ApiError `RUN_UNKNOWN`, `INPUT_INVALID` */
function stepOf({ runs }: Supervisor, { key, run }: OpenRun, id: string) {
  const step = run.steps.find((each) => each.id === id);
  if (step === undefined) throw new ApiError("RUN_UNKNOWN", `The run has no step "${id}"`);
  if (step.path.length > 0)
    throw new ApiError("INPUT_INVALID", `"${step.node}" is a node of a playbook: begin at the node that calls it`);
  return { node: step.node, message: new KeptMessages(runs.rows.facts(key)).given(step) };
}

/** @throws ApiError `RUN_NOT_WHOLE` */
function inputOf(kept: Kept | undefined): Pick<RunWish, "input" | "written"> {
  if (kept === undefined || "cut" in kept || kept.written === undefined)
    throw new ApiError("RUN_NOT_WHOLE", "The input was not kept whole: give one");
  return { input: kept.value, ...(kept.written !== true && { written: kept.written }) };
}

/** @throws ApiError `WRITES_UNCONFIRMED` */
function requireNoWrites(graph: GraphJson, from: string | undefined): void {
  const reached = reachedFrom(graph, from ?? OPEN_SEA);
  const writers = graph.nodes
    .filter(({ name, effects }) => effects === "writes" && reached.has(name))
    .map(({ name }) => name);
  if (writers.length > 0)
    throw new ApiError("WRITES_UNCONFIRMED", `${writers.join(", ")} would write again: confirm it`, { nodes: writers });
}

/** Names the nodes that a message can reach, the first included. */
function reachedFrom({ edges }: GraphJson, first: string): ReadonlySet<string> {
  const reached = new Set([first]);
  for (const name of reached) for (const { from, to } of edges) if (from === name) reached.add(to);
  return reached;
}
