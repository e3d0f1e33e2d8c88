import type { GraphJson } from "penguiflow";
import type { RunStarted } from "@penguiflow/playground/protocol";
import type { Kept } from "../ipc/fact.ts";
import type { OpenRun } from "../runs/runs.ts";
import { ApiError } from "../server/api-error.ts";
import { Fields } from "../server/body.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { beginRun, type RunWish } from "./run-starter.ts";

/**
 * Runs a run again, with its own input or another.
 *
 * @throws ApiError `RUN_NOT_WHOLE`, `WRITES_UNCONFIRMED`, and what beginning a run throws
 */
export async function runAgain(
  supervisor: Supervisor,
  { run }: OpenRun,
  body: Readonly<Record<string, unknown>>,
): Promise<RunStarted> {
  const fields = new Fields(body, ["from", "input", "allowWrites"]);
  const { flow, runId: of, tenant } = run.place;
  const { timeoutMs } = run.begun ?? {};
  if (!fields.flag("allowWrites")) requireNoWrites(supervisor.flow(flow).graph);
  const input = fields.has("input") ? { input: fields.any("input") } : inputOf(run.input);
  const runId = await beginRun(supervisor, { flow, tenant, timeoutMs, again: { of }, ...input });
  return { runId };
}

/** @throws ApiError `RUN_NOT_WHOLE` */
function inputOf(kept: Kept | undefined): Pick<RunWish, "input" | "written"> {
  if (kept === undefined || "cut" in kept || kept.written === undefined)
    throw new ApiError("RUN_NOT_WHOLE", "The input was not kept whole: give one");
  return { input: kept.value, ...(kept.written !== true && { written: kept.written }) };
}

/** @throws ApiError `WRITES_UNCONFIRMED` */
function requireNoWrites({ nodes }: GraphJson): void {
  const writers = nodes.filter(({ effects }) => effects === "writes").map(({ name }) => name);
  if (writers.length > 0)
    throw new ApiError("WRITES_UNCONFIRMED", `${writers.join(", ")} would write again: confirm it`, { nodes: writers });
}
