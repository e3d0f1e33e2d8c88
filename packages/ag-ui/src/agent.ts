import type { AGUIEvent, Interrupt, ResumeEntry, RunAgentInput } from "@ag-ui/core";
import { FlowError, FlowErrorCode, type FlowRun, type PauseTicket } from "penguiflow";
import type { EventWriter } from "./event-writer.ts";
import type { RunEnd } from "./run-end.ts";
import { interruptId } from "./thread-ids.ts";

/** The identity on whose behalf a request acts. It comes from the program, never from the body. */
export interface AguiCaller {
  /** @defaultValue `"default"` */
  readonly tenant?: string | undefined;
  /** @defaultValue none: all of the tenant share its threads */
  readonly user?: string | undefined;
}

/** A request on its way through a run. */
export interface RunContext {
  readonly tenant: string;
  readonly user: string | undefined;
  readonly threadId: string;
  /** Id of this request's run. */
  readonly runId: string;
  readonly traceId: string;
  /** Id of the run that began the trace. Ids of tool calls begin with it, in every run that goes on with the trace. */
  readonly beganAs: string;
  /** State that the client has sent: data of its page. */
  readonly clientState: unknown;
  readonly writer: EventWriter;
  /** Aborts when the trace is to be cancelled. */
  readonly signal: AbortSignal;
}

/** A pause of a thread that waits for an answer, as its flow knows it. */
export type Ticket = PauseTicket & { readonly traceId: string };

/** Description of a pause for the client. */
export type Asked = Omit<Interrupt, "id" | "subagentRunId"> & {
  /** Names of the planners below the one that was run, outermost first. */
  readonly path: readonly string[];
};

/** A pause of a thread that waits for an answer, with its public id. */
export interface OpenPause {
  readonly id: string;
  readonly ticket: Ticket;
  readonly asked: Asked;
  /**
   * Returns the answer that an entry gives; `undefined` if the trace is to be cancelled.
   *
   * @throws Refusal `RESUME_INVALID`
   */
  readonly answer: (entry: ResumeEntry) => unknown;
}

/** Events of a run, and its end. */
export type RunEvents = AsyncGenerator<AGUIEvent, RunEnd, undefined>;

/** A flow or planner as the handler runs it. */
export interface Agent {
  readonly flow: Pick<FlowRun<never, unknown>, "cancel" | "pauses" | "name">;
  /** Makes the reader of a trace for one request. */
  open(run: RunContext): TraceEvents;
  /** Describes pauses to the client. */
  describe(tickets: readonly Ticket[], tenant: string): Promise<Pick<OpenPause, "ticket" | "asked" | "answer">[]>;
}

/** The events of a trace in one request, which may go on with it several times. */
export interface TraceEvents {
  /** Begins the trace. */
  begin(input: RunAgentInput): RunEvents;
  /** Answers a pause, and goes on with the trace. */
  resume(token: string, answer: unknown): RunEvents;
}

/** Returns the pauses of a thread that wait for an answer, oldest first. */
export async function openPauses(agent: Agent, tenant: string, prefix: string): Promise<OpenPause[]> {
  const tickets = await agent.flow.pauses.list({ tenant });
  const ofThread = tickets.filter(({ traceId }) => traceId.startsWith(prefix));
  if (ofThread.length === 0) return [];
  const described = await agent.describe(ofThread, tenant);
  return await Promise.all(described.map(async (one) => ({ ...one, id: await interruptId(prefix, one.ticket.token) })));
}

/**
 * Makes a value the data of an event; `undefined` if JSON has nothing for it.
 *
 * @throws FlowError `NOT_SERIALISABLE`
 */
export function jsonOf(value: unknown, what: string): unknown {
  try {
    const text = JSON.stringify(value);
    return text === undefined ? undefined : JSON.parse(text);
  } catch (cause) {
    const code = FlowErrorCode.NOT_SERIALISABLE;
    throw new FlowError({ code, message: `Cannot send ${what}: it is no JSON`, cause });
  }
}
