import type { Question } from "@penguiflow/planner";
import type { OpenPause } from "penguiflow";
import type { OpenTicket } from "../ipc/messages.ts";
import { PERSON } from "./person.ts";
import type { ShownFlow } from "./running-flow.ts";

/** Milliseconds for the sources of a planner to list their tools. */
const LIST_MS = 5_000;

/** Lists the open pauses of a flow's runs. */
export async function openTickets({ flow, planner }: ShownFlow): Promise<OpenTicket[]> {
  const tickets = await flow.pauses.list({ allTenants: true });
  const all: OpenTicket[] = [];
  for (const tenant of new Set(tickets.map((ticket) => ticket.tenant))) {
    const questions = new Map((await planner?.questions({ tenant }))?.map((question) => [question.token, question]));
    const listed = await planner?.tools({ tenant, user: PERSON }, AbortSignal.timeout(LIST_MS));
    const effects = new Map(listed?.tools.map(({ tool }) => [tool.name, tool.effects]));
    for (const ticket of tickets.filter((each) => each.tenant === tenant)) {
      const question = questions.get(ticket.token);
      // a planner below has tools of its own
      const known = question?.path.length === 0 ? effects.get(question.tool) : undefined;
      all.push({ ...ticketOf(ticket, question), effects: known });
    }
  }
  return all;
}

function ticketOf(
  { id, token, traceId, tenant, node, path, reason, payload, expiresAt, resumeSchema }: OpenPause,
  question: Question | undefined,
): OpenTicket {
  const base = { id, token, runId: traceId, tenant, node, path, reason, payload, expiresAt, schema: resumeSchema };
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
