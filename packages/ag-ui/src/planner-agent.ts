import type { AGUIEvent, ResumeEntry, RunAgentInput } from "@ag-ui/core";
import type { Decision, PlanEvent, Planner, Prompt, Question } from "@penguiflow/planner";
import { type Agent, type Asked, type RunContext, type RunEvents, type Ticket, jsonOf } from "./agent.ts";
import { callIdOf, PlannerEvents } from "./planner-events.ts";
import { endOf, Refusal, type RunEnd } from "./run-end.ts";

/** A planner, whatever its output, tools and resources. */
export type AnyPlanner = Pick<Planner<unknown>, "stream" | "resumeStream" | "questions" | "name"> & {
  readonly flow: unknown;
};

/** The parts of a planner's agent that a program chooses. */
export interface PlannerParts {
  readonly input: (run: RunAgentInput) => Prompt | Promise<Prompt>;
  readonly state: ((state: unknown, event: PlanEvent<unknown>) => unknown) | undefined;
}

/** Makes an agent of a planner. */
export function plannerAgent(planner: AnyPlanner, { input, state }: PlannerParts): Agent {
  const flow = planner.flow as Agent["flow"];
  return {
    flow,
    open(run) {
      const { tenant, user, threadId: thread, traceId: runId, signal } = run;
      const written = new PlannerEvents(run);
      const told = new ToldState(run, state);
      return {
        async *begin(request) {
          const events = planner.stream(await input(request), { tenant, user, thread, runId, signal });
          return yield* eventsOf(events, written, told);
        },
        resume: (token, answer) =>
          eventsOf(
            planner.resumeStream(token, answer as Decision, { tenant, user, by: user ?? tenant }),
            written,
            told,
          ),
      };
    },
    async describe(tickets, tenant) {
      const questions = new Map((await planner.questions({ tenant })).map((question) => [question.token, question]));
      return tickets.flatMap((ticket) => {
        const question = questions.get(ticket.token);
        if (question === undefined) return [];
        return [{ ticket, asked: askedOf(question, ticket), answer: (entry) => decisionOf(question, entry) }];
      });
    },
  };
}

/** The client's state, as the program folds it. */
class ToldState {
  readonly #run: RunContext;
  readonly #fold: PlannerParts["state"];
  #state: unknown;

  constructor(run: RunContext, fold: PlannerParts["state"]) {
    this.#run = run;
    this.#fold = fold;
    this.#state = run.clientState;
  }

  *after(event: PlanEvent<unknown>): Generator<AGUIEvent, void, undefined> {
    const next = this.#fold === undefined ? this.#state : this.#fold(this.#state, event);
    if (Object.is(next, this.#state)) return;
    this.#state = next;
    yield* this.#run.writer.state(jsonOf(next, "the state") ?? null);
  }
}

async function* eventsOf(
  events: AsyncIterable<PlanEvent<unknown>>,
  written: PlannerEvents,
  told: ToldState,
): RunEvents {
  let end: RunEnd = { status: "failed", code: "OUTCOME_UNKNOWN", error: undefined };
  try {
    // reading on after the end lets the trace complete: leaving earlier would cancel it
    for await (const event of events) {
      if (event.type === "end" && event.path.length === 0) end = yield* written.end(event.end);
      else if (event.type === "paused" && event.path.length === 0) end = { status: "paused" };
      else yield* written.write(event);
      yield* told.after(event);
    }
  } catch (error) {
    return endOf(error);
  }
  return end;
}

function askedOf(question: Question, { traceId }: Ticket): Asked {
  const { kind, reason, tool, args, payload, path, schema, expiresAt, callId } = question;
  const beganAs = traceId.slice(traceId.indexOf(".") + 1);
  return {
    path,
    reason: kind === "approval" ? "tool_call" : kind === "input" ? "input_required" : "penguiflow:sign_in",
    message: reason,
    responseSchema: kind === "approval" ? approvalSchema(schema) : (schema as Record<string, unknown>),
    metadata: {
      penguiflow: {
        kind,
        tool,
        args,
        path,
        ...(payload !== undefined && { payload: jsonOf(payload, "the payload of a question") }),
      },
    },
    ...(callId !== "" && { toolCallId: callIdOf(beganAs, path, callId) }),
    ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt).toISOString() }),
  };
}

function approvalSchema(args: Question["schema"]): Record<string, unknown> {
  const editedArgs = { ...args, description: "Full replacement of the arguments" };
  return {
    type: "object",
    properties: { approved: { type: "boolean" }, editedArgs, reason: { type: "string" } },
    required: ["approved"],
    additionalProperties: false,
  };
}

/** @throws Refusal `RESUME_INVALID` */
function decisionOf({ kind }: Question, { interruptId, status, payload }: ResumeEntry): Decision | undefined {
  if (kind !== "approval") return status === "cancelled" ? undefined : { value: (payload ?? null) as never };
  if (status === "cancelled") return { approved: false, reason: "The question was not answered" };
  const refuse = (wanted: string): Refusal =>
    new Refusal("RESUME_INVALID", `The payload for interrupt "${interruptId}" must be ${wanted}`);
  const { approved, editedArgs, reason } = (payload ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof approved !== "boolean") throw refuse("an object with approved: true or false");
  if (!approved && editedArgs !== undefined) throw refuse("without editedArgs where approved is false");
  if (reason !== undefined && typeof reason !== "string") throw refuse("an object whose reason is a text");
  if (approved) return { approved, ...(editedArgs !== undefined && { args: editedArgs as never }) };
  return { approved, ...(reason !== undefined && { reason }) };
}
