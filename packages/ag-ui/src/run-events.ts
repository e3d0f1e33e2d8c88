import {
  type AGUIEvent,
  EventType,
  type Interrupt,
  type Message,
  PROTOCOL_VERSION,
  type RunAgentInput,
} from "@ag-ui/core";
import { type Agent, openPauses, type TraceEvents } from "./agent.ts";
import { type Closing, EventWriter } from "./event-writer.ts";
import type { Answer, Ended, Resumes } from "./resumes.ts";
import { endOf, Refusal, type RunEnd } from "./run-end.ts";
import { threadPrefix } from "./thread-ids.ts";

/** Reason why a run ended with an error. */
export interface RunProblem {
  /** A code of a flow, of a planner, or of this package. */
  readonly code: string;
  /** The error itself, with what must not leave the server. */
  readonly error: unknown;
}

/** A request that was checked. */
export interface RunRequest {
  readonly agent: Agent;
  readonly input: RunAgentInput;
  readonly tenant: string;
  readonly user: string | undefined;
  readonly resumes: Resumes;
  readonly describe: (problem: RunProblem) => string;
  /** Aborts when the trace is to be cancelled. */
  readonly signal: AbortSignal;
}

type Playing = AsyncGenerator<AGUIEvent, Ended, undefined>;

/** Yields the events of a run: the first is `RUN_STARTED`, the last `RUN_FINISHED` or `RUN_ERROR`. */
export async function* runEvents(request: RunRequest): AsyncGenerator<AGUIEvent, void, undefined> {
  const { threadId, runId, parentRunId, messages: earlier, protocolVersion } = request.input;
  const run = { threadId, runId };
  yield {
    type: EventType.RUN_STARTED,
    ...run,
    protocolVersion: PROTOCOL_VERSION,
    ...(parentRunId !== undefined && { parentRunId }),
  };
  const writer = new EventWriter(runId);
  const { end, interrupts, messages } = yield* played(request, writer);
  const problem = end.status === "failed" ? problemOf(end, request.describe) : undefined;
  yield* writer.endAll(closingOf(end, interrupts, problem?.message));
  if (end.status === "paused" || writer.hasRetracted || messages !== writer.messages)
    yield { type: EventType.MESSAGES_SNAPSHOT, messages: merged(earlier, messages) };
  switch (end.status) {
    case "completed": {
      // 1.0 has no null in the place of a result
      const result = end.result === undefined || end.result === null ? {} : { result: end.result };
      yield { type: EventType.RUN_FINISHED, ...run, ...result, outcome: { type: "success" } };
      return;
    }
    case "paused":
      yield { type: EventType.RUN_FINISHED, ...run, outcome: { type: "interrupt", interrupts: [...interrupts] } };
      return;
    case "cancelled":
      // clients before 1.0 refuse the outcome, and name no version
      if (protocolVersion === undefined)
        yield { type: EventType.RUN_ERROR, code: "CANCELLED", message: "The run was cancelled" };
      else yield { type: EventType.RUN_FINISHED, ...run, outcome: { type: "cancelled" } };
      return;
    case "failed":
      yield { type: EventType.RUN_ERROR, code: end.code, message: problem?.message ?? end.code };
  }
}

/** Plays a run, whatever happens to it: its end is told to the client, and to those that repeat its resume. */
async function* played(request: RunRequest, writer: EventWriter): Playing {
  const told = Promise.withResolvers<Ended>();
  let ended: Ended;
  try {
    ended = yield* play(request, writer, told.promise);
  } catch (error) {
    ended = { end: endOf(error), interrupts: [], messages: writer.messages };
  }
  told.resolve(ended);
  return ended;
}

async function* play(request: RunRequest, writer: EventWriter, ended: Promise<Ended>): Playing {
  const { agent, input, tenant, user, resumes, signal } = request;
  const { threadId, runId, resume: entries = [] } = input;
  const prefix = await threadPrefix(user, threadId);
  const open = await openPauses(agent, tenant, prefix);
  const traces = new Map<string, TraceEvents>();
  const opened = (traceId: string): TraceEvents => {
    const beganAs = traceId.slice(prefix.length);
    const clientState: unknown = input.state;
    const context = { tenant, user, threadId, runId, traceId, beganAs, clientState, writer, signal };
    const trace = traces.get(traceId) ?? agent.open(context);
    traces.set(traceId, trace);
    return trace;
  };
  let end: RunEnd;
  if (entries.length === 0) {
    if (open.length > 0)
      throw new Refusal(
        "INTERRUPT_OPEN",
        `The thread waits for answers to ${open.length} interrupts: send them in resume`,
      );
    end = yield* opened(`${prefix}${runId}`).begin(input);
  } else {
    const checked = resumes.check(entries, open, ended);
    if (checked.again !== undefined) return await checked.again;
    end = yield* resumed(request, checked.answers, opened);
  }
  const interrupts = end.status === "paused" ? await interruptsOf(agent, tenant, prefix, writer) : [];
  if (end.status === "paused" && interrupts.length === 0)
    throw new Refusal("INTERRUPT_ANSWERED", "The run goes on elsewhere: what it waited for was answered there");
  return { end, interrupts, messages: writer.messages };
}

/** Gives one answer after the other: each is read until its trace waits for the next, or ends. */
async function* resumed(
  { agent, tenant, resumes, signal }: RunRequest,
  answers: readonly Answer[],
  opened: (traceId: string) => TraceEvents,
): AsyncGenerator<AGUIEvent, RunEnd, undefined> {
  const cancel = async (reason: string): Promise<void> => {
    const traces = new Set(answers.map(({ pause }) => pause.ticket.traceId));
    await Promise.all([...traces].map((traceId) => agent.flow.cancel(traceId, { tenant, reason })));
  };
  if (answers.some(({ value }) => value === undefined)) {
    await cancel("An interrupt was cancelled");
    return { status: "cancelled" };
  }
  const leave = (): void => void cancel("The client has left").catch(() => {});
  signal.addEventListener("abort", leave, { once: true });
  let end: RunEnd = { status: "cancelled" };
  let given = 0;
  try {
    for (const { pause, value } of answers) {
      signal.throwIfAborted();
      const { token, traceId } = pause.ticket;
      end = yield* opened(traceId).resume(token, value);
      // the client is told what is wrong with its answer
      if (end.status === "failed" && NOT_TAKEN.has(end.code)) throw new Refusal(end.code, (end.error as Error).message);
      given += 1;
      if (end.status !== "paused" && end.status !== "completed") break;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", leave);
    resumes.forget(answers.slice(given).map(({ pause }) => pause.id));
  }
  return end;
}

/** Codes with which a flow does not take an answer. */
const NOT_TAKEN: ReadonlySet<string> = new Set([
  ...["RESUME_INVALID", "PAUSE_UNKNOWN", "PAUSE_MALFORMED", "PAUSE_USED", "PAUSE_EXPIRED", "PAUSE_FOREIGN"],
  ...["NOT_SERIALISABLE", "PAYLOAD_TOO_LARGE", "FLOW_NOT_RUNNING"],
]);

async function interruptsOf(
  agent: Agent,
  tenant: string,
  prefix: string,
  { subagents }: EventWriter,
): Promise<Interrupt[]> {
  return (await openPauses(agent, tenant, prefix)).map(({ id, asked: { path, ...asked } }) => {
    const subagentRunId = subagents.get(path.join("/"));
    return { id, ...asked, ...(subagentRunId !== undefined && { subagentRunId }) };
  });
}

function closingOf(end: RunEnd, interrupts: readonly Interrupt[], message = "The run was cancelled"): Closing {
  if (end.status === "completed") return { as: "finished" };
  if (end.status === "paused") return { as: "suspended", interruptIds: interrupts.map(({ id }) => id) };
  return { as: "failed", message };
}

/** Returns what the client is told of a failure. A `describe` that throws is none: the run must have its last event. */
function problemOf(
  { code, error }: Extract<RunEnd, { status: "failed" }>,
  describe: (problem: RunProblem) => string,
): { readonly message: string } {
  if (error instanceof Refusal) return { message: error.message };
  try {
    return { message: describe({ code, error }) };
  } catch {
    return { message: code };
  }
}

/** Adds the messages of a run to those that the client has sent. */
function merged(earlier: readonly Message[], own: readonly Message[]): Message[] {
  const ids = new Set(own.map(({ id }) => id));
  return [...earlier.filter(({ id }) => !ids.has(id)), ...own];
}
