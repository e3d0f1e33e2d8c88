import type { RunAgentInput } from "@ag-ui/core";
import type { PlanEvent, Prompt } from "@penguiflow/planner";
import { DEFAULT_TENANT, type FlowRun, type WM } from "penguiflow";
import { requireFunction, requireInteger, requireKnownKeys, requireOneOf, shown } from "penguiflow/adapter";
import type { Agent, AguiCaller } from "./agent.ts";
import { lastPrompt, lastText } from "./default-input.ts";
import { eventStream } from "./event-stream.ts";
import { flowAgent } from "./flow-agent.ts";
import { type AnyPlanner, plannerAgent, type PlannerParts } from "./planner-agent.ts";
import { allowed, crossOrigin, readInput } from "./read-input.ts";
import { Resumes } from "./resumes.ts";
import { runEvents, type RunProblem } from "./run-events.ts";
import { requireObserved } from "./trace-tap.ts";

/** Options of a handler. */
export interface AguiOptions {
  /**
   * Returns on whose behalf a request acts, or the response that refuses it. It sees the request before its body is read.
   */
  readonly caller: (request: Request) => AguiCaller | Response | Promise<AguiCaller | Response>;
  /** Fate of a run whose client is gone before its end. @defaultValue `"cancel"` */
  readonly onDisconnect?: "cancel" | "continue" | undefined;
  /** Names of the client's tools that `input` sees; others are taken out. @defaultValue none */
  readonly clientTools?: readonly string[] | undefined;
  /** Origins whose pages may call the handler from another one, such as `https://chat.example`. @defaultValue none */
  readonly origins?: readonly string[] | undefined;
  /** Describes an error to the client. @defaultValue its code, without its cause */
  readonly describe?: ((problem: RunProblem) => string) | undefined;
  /** Bytes of a request's body at most. @defaultValue 1 000 000 */
  readonly maxBodyBytes?: number | undefined;
  /** Milliseconds of silence after which a comment keeps the connection open. @defaultValue 15 000 */
  readonly keepAliveMs?: number | undefined;
}

/** Options of a planner's handler. */
export interface PlannerAguiOptions extends AguiOptions {
  /**
   * Makes the prompt of a run. A planner with memory knows the earlier turns of the thread.
   *
   * @defaultValue the last user message, with the files it contains
   */
  readonly input?: ((run: RunAgentInput) => Prompt | Promise<Prompt>) | undefined;
  /**
   * Folds the events of a run into the state that its client is told: the whole first, then what has changed. It is given
   * the state so far, at first that of the client, which is data of its page. A state that it returns unchanged is not
   * told.
   *
   * @defaultValue no state
   */
  readonly state?: ((state: unknown, event: PlanEvent<unknown>) => unknown) | undefined;
}

/** Options of a flow's handler; `input` is required unless the flow takes a text. */
export type FlowAguiOptions<Input> = AguiOptions & {
  /** Returns the text of a result; `undefined` sends it as the run's `result`. @defaultValue results that are strings */
  readonly text?: ((result: unknown) => string | undefined) | undefined;
  /**
   * Whether each node is a step, while a message of the trace is in it, and each call of a playbook a subagent with the
   * steps of its nodes. The flow must be observed, see {@link observeFlows}.
   *
   * @defaultValue false
   */
  readonly steps?: boolean | undefined;
  /**
   * Makes the client's state of a working memory, each time that a message with one is sent: the whole first, then what
   * has changed. The flow must be observed, see {@link observeFlows}.
   *
   * @defaultValue no state
   */
  readonly state?: ((memory: WM) => unknown) | undefined;
  /**
   * Whether retries, and messages that a join gathers, are told as `CUSTOM` `penguiflow.event`. The flow must be observed,
   * see {@link observeFlows}.
   *
   * @defaultValue false
   */
  readonly events?: boolean | undefined;
} & (string extends Input
    ? {
        /** Makes the input of a run. @defaultValue the text of the last user message */
        readonly input?: ((run: RunAgentInput) => Input | Promise<Input>) | undefined;
      }
    : { readonly input: (run: RunAgentInput) => Input | Promise<Input> });

/** Serves one web request. */
export type AguiHandler = (request: Request) => Promise<Response>;

const OPTIONS = [
  ...["caller", "onDisconnect", "clientTools", "origins", "describe", "maxBodyBytes", "keepAliveMs", "input", "state"],
];

/**
 * Makes a handler that serves a running planner as an AG-UI 1.0 agent: each request is a run, answered by its events.
 *
 * @throws TypeError, RangeError when an option is missing or wrong
 */
export function aguiHandler(planner: AnyPlanner, options: PlannerAguiOptions): AguiHandler;
/** Makes a handler that serves a running flow as an AG-UI 1.0 agent. */
export function aguiHandler<Input>(flow: FlowRun<Input, unknown>, options: FlowAguiOptions<Input>): AguiHandler;
export function aguiHandler(
  served: AnyPlanner | FlowRun<never, unknown>,
  options: PlannerAguiOptions | FlowAguiOptions<unknown>,
): AguiHandler {
  const isPlanner = typeof served === "object" && served !== null && "questions" in served;
  if (!isPlanner && typeof (served as Partial<FlowRun<never, unknown>> | null)?.pauses !== "object")
    throw new TypeError(`aguiHandler serves a flow or a planner: got ${shown(served)}`);
  requireKnownKeys("aguiHandler", options, isPlanner ? OPTIONS : [...OPTIONS, "text", "steps", "events"]);
  const { caller, onDisconnect = "cancel", clientTools = [], origins = [], describe = withoutCause } = options;
  const { maxBodyBytes = 1_000_000, keepAliveMs = 15_000, input } = options;
  const { text = textOf, steps = false, events = false, state } = options as FlowAguiOptions<unknown>;
  for (const [name, value] of Object.entries({ caller, describe, text })) requireFunction(name, value);
  if (input !== undefined) requireFunction("input", input);
  if (state !== undefined) requireFunction("state", state);
  for (const [name, value] of Object.entries({ steps, events }))
    if (typeof value !== "boolean") throw new TypeError(`Option "${name}" must be true or false: got ${shown(value)}`);
  requireOneOf("onDisconnect", onDisconnect, ["cancel", "continue"]);
  requireInteger("maxBodyBytes", maxBodyBytes, 1);
  requireInteger("keepAliveMs", keepAliveMs, 1);
  if (!isPlanner && (steps || events || state !== undefined)) requireObserved(served);
  const agent: Agent = isPlanner
    ? plannerAgent(served, plannerParts(options as PlannerAguiOptions))
    : flowAgent(served as FlowRun<unknown, unknown>, { input: input ?? lastText, text, steps, state, events });
  const resumes = new Resumes();

  const serve = async (request: Request): Promise<Response> => {
    const refused = allowed(request);
    if (refused !== undefined) return refused;
    const who = await caller(request);
    if (who instanceof Response) return who;
    const read = await readInput(request, maxBodyBytes);
    if (read instanceof Response) return read;
    const { tenant = DEFAULT_TENANT, user } = who;
    if (tenant === "") throw new TypeError('The tenant that "caller" returns must not be empty');
    const left = new AbortController();
    const leave = (): void => {
      if (onDisconnect === "cancel") left.abort(new Error("The client has left"));
    };
    const answer = runEvents({
      agent,
      input: { ...read, tools: read.tools.filter(({ name }) => clientTools.includes(name)) },
      tenant,
      user,
      resumes,
      describe,
      signal: left.signal,
    });
    return new Response(eventStream(answer, { keepAliveMs, leave, gone: request.signal }), {
      headers: {
        // the official encoder calls text protobuf for clients that accept everything
        "content-type": "text/event-stream",
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
      },
    });
  };
  return async (request) => await crossOrigin(request, origins, serve);
}

function plannerParts({ input = lastPrompt, state }: PlannerAguiOptions): PlannerParts {
  return { input, state };
}

function textOf(result: unknown): string | undefined {
  return typeof result === "string" ? result : undefined;
}

function withoutCause({ code }: RunProblem): string {
  return `The run has failed with ${code}`;
}
