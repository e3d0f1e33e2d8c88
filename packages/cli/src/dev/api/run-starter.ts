import { randomUUID } from "node:crypto";
import { DEFAULT_TENANT } from "penguiflow";
import type { Attachment } from "@penguiflow/playground/protocol";
import type { Begun } from "../ipc/fact.ts";
import type { StartRun } from "../ipc/messages.ts";
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
 * Begins a run, and returns its id once the flow has accepted it.
 *
 * @throws ApiError `FLOW_UNKNOWN`, `FLOW_NOT_RUNNING`, `INPUT_INVALID`
 */
export async function beginRun(supervisor: Supervisor, wish: RunWish, runId: string = randomUUID()): Promise<string> {
  const { flow, input, tenant = DEFAULT_TENANT, timeoutMs, thread, attachments, again, written, from } = wish;
  const { kind } = supervisor.flow(flow);
  const { child, runs } = supervisor;
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
  const remembered = thread === undefined || kind === "flow" ? undefined : supervisor.threads.rows.memory(thread);
  runs.begin(place, begun, child);
  try {
    await child.ask({
      type: "start",
      flow,
      runId,
      tenant,
      input,
      timeoutMs,
      thread,
      attachments,
      written,
      remembered,
      from,
    });
  } catch (error) {
    runs.discard(place);
    throw error;
  }
  return runId;
}
