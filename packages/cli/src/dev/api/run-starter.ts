import { randomUUID } from "node:crypto";
import { DEFAULT_TENANT, errorPayload } from "penguiflow";
import type { Attachment } from "@penguiflow/playground/protocol";
import type { Begun } from "../ipc/fact.ts";
import type { StartRun } from "../ipc/messages.ts";
import type { Child } from "../supervisor/child.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

/** A run that a page asks for. */
export interface RunWish {
  readonly flow: string;
  readonly input: unknown;
  readonly tenant?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly thread?: string | undefined;
  readonly attachments?: readonly Attachment[] | undefined;
  readonly again?: Begun["again"];
  /** The input in its exact form, where JSON has none for it. */
  readonly written?: string | undefined;
  /** The node to begin at. */
  readonly from?: StartRun["from"];
}

/**
 * Begins a run, and returns its id once the flow has accepted it, or once its message waits at a held entry.
 *
 * @throws ApiError `FLOW_UNKNOWN`, `FLOW_NOT_RUNNING`, `INPUT_INVALID`
 */
export async function beginRun(supervisor: Supervisor, wish: RunWish, runId: string = randomUUID()): Promise<string> {
  const { flow, input, tenant = DEFAULT_TENANT, timeoutMs, thread, attachments, again, written, from } = wish;
  const { kind } = supervisor.flow(flow);
  const { child, runs, entries } = supervisor;
  const place = { flow, runId, tenant };
  const begun: Begun = {
    input: { value: input, written: written ?? true },
    generation: supervisor.generation,
    isPlanner: kind === "planner" && from === undefined,
    timeoutMs,
    thread,
    attachments: attachments?.map(({ name, mediaType }) => ({ name, mediaType })),
    again,
  };
  const start = async (process: Child): Promise<void> => {
    const remembered = thread === undefined || kind === "flow" ? undefined : supervisor.threads.rows.memory(thread);
    const given = { flow, runId, tenant, input, timeoutMs, thread, attachments, written, remembered, from };
    await process.ask({ type: "start", ...given });
  };
  // a message to a node within the flow does not come by its entry
  if (from === undefined && entries.isHeld(flow)) {
    entries.add(flow, runId, () => {
      runs.waitsChanged(place);
      // the newest code may be another than that of the message's time
      letIn(supervisor, start).catch((error: unknown) => runs.endHeld(place, "failed", errorPayload(error)));
    });
    runs.begin(place, begun, undefined);
    return runId;
  }
  runs.begin(place, begun, child);
  try {
    await start(child);
  } catch (error) {
    runs.discard(place);
    throw error;
  }
  return runId;
}

async function letIn(supervisor: Supervisor, start: (process: Child) => Promise<void>): Promise<void> {
  await start(supervisor.child);
}
