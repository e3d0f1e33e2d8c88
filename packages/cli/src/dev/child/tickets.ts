import type { Question } from "@penguiflow/planner";
import type { PauseTicket } from "penguiflow";
import type { OpenTicket } from "../ipc/messages.ts";
import type { ShownFlow } from "./running-flow.ts";

/** Milliseconds for the sources of a planner to list their tools. */
const LIST_MS = 5_000;

/** Lists the open pauses of a flow's runs, of the tenants that are known. */
export async function openTickets({ flow, planner }: ShownFlow, tenants: Iterable<string>): Promise<OpenTicket[]> {
  const all: OpenTicket[] = [];
  for (const tenant of tenants) {
    const tickets = await flow.pauses.list({ tenant });
    if (tickets.length === 0) continue;
    const questions = new Map((await planner?.questions({ tenant }))?.map((question) => [question.token, question]));
    const listed = await planner?.tools({ tenant }, AbortSignal.timeout(LIST_MS));
    const effects = new Map(listed?.tools.map(({ tool }) => [tool.name, tool.effects]));
    for (const ticket of tickets) {
      const question = questions.get(ticket.token);
      // a planner below has tools of its own
      const known = question?.path.length === 0 ? effects.get(question.tool) : undefined;
      all.push({ ...ticketOf(ticket, tenant, question), effects: known });
    }
  }
  return all;
}

function ticketOf(
  { token, traceId, node, path, reason, payload, expiresAt }: PauseTicket & { readonly traceId: string },
  tenant: string,
  question: Question | undefined,
): OpenTicket {
  const base = { token, runId: traceId, tenant, node, path, reason, payload, expiresAt };
  if (question === undefined) return { ...base, kind: "pause" };
  const { kind, tool, args, callId, schema } = question;
  return {
    ...base,
    kind,
    reason: question.reason,
    payload: question.payload,
    path: question.path,
    tool,
    args,
    callId,
    schema,
  };
}
