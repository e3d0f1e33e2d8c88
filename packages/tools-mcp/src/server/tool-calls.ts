import { randomUUID } from "node:crypto";
import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  inputRequired,
  type InputRequiredResult,
  type InputRequests,
  inputResponse,
  type McpServer,
  type RequestStateCodec,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { Json, JsonSchema } from "@penguiflow/planner";
import {
  type Clock,
  errorPayload,
  FlowError,
  FlowErrorCode,
  type PauseTicket,
  type StreamChunk,
  type StreamChunkBase,
  type StreamItem,
} from "penguiflow";
import type { McpCaller, McpQuestion, McpRequest } from "./mcp-server-options.ts";
import { AGREED, planAnswer, planPauseOf, planQuestion, planRefusal } from "./plan-questions.ts";
import { Misfit, type ServedTool } from "./served-tool.ts";
import { toldSchema } from "./told-schemas.ts";
import { failed, failedPlan, failureOf, planEndOf, resultOf } from "./tool-results.ts";

/** State that a client carries from a question to its answer, sealed by the server. */
export interface CallState extends McpCaller {
  readonly tool: string;
  readonly traceId: string;
  /** Tokens of the pauses, by the key of their question. */
  readonly tokens: Readonly<Record<string, string>>;
}

/** Options of {@link ToolCalls}. */
export interface ToolCallsInit {
  readonly codec: RequestStateCodec<CallState>;
  readonly callerOf: (request: McpRequest) => McpCaller | Promise<McpCaller>;
  readonly answerWithinMs: number;
  readonly clock: Clock;
}

/** A call in its current request. */
interface Call {
  readonly tool: ServedTool;
  readonly caller: McpCaller;
  readonly traceId: string;
  readonly server: McpServer;
  readonly ctx: ServerContext;
}

/** The first result of a trace. */
interface Found {
  readonly value: unknown;
}

/** A call whose question is open. */
interface Asking {
  readonly cancelTimer: () => void;
  /** The result that the trace had given before it asked. */
  readonly found: Found | undefined;
}

/**
 * Calls of tools, each a trace of a flow.
 *
 * States of a call: running → answered | asking (its trace waits for a person) → running again with the answer, denied,
 * or cancelled when no answer comes in time.
 */
export class ToolCalls {
  readonly #init: ToolCallsInit;
  /** Calls whose question is open, by trace. */
  readonly #asking = new Map<string, Asking>();

  constructor(init: ToolCallsInit) {
    this.#init = init;
  }

  /** Number of calls whose question is open. */
  get asking(): number {
    return this.#asking.size;
  }

  /** Runs a call, or goes on with one whose question the request answers. */
  async run(
    server: McpServer,
    tool: ServedTool,
    args: Readonly<Record<string, unknown>>,
    ctx: ServerContext,
  ): Promise<CallToolResult | InputRequiredResult> {
    try {
      const caller = await this.#init.callerOf({ authInfo: ctx.http?.authInfo, request: ctx.http?.req });
      const state = ctx.mcpReq.requestState<CallState>();
      if (state === undefined) return await this.#begin({ tool, caller, traceId: randomUUID(), server, ctx }, args);
      if (state.tool !== tool.name || state.tenant !== caller.tenant || state.user !== caller.user)
        return failed("The answer belongs to a call of another caller", FlowErrorCode.PAUSE_FOREIGN);
      return await this.#goOn({ tool, caller, traceId: state.traceId, server, ctx }, state);
    } catch (error) {
      // an aborted request has no reader
      ctx.mcpReq.signal.throwIfAborted();
      return error instanceof Misfit ? failed(error.message, FlowErrorCode.INPUT_INVALID) : failureOf(error);
    }
  }

  /** Stops waiting for answers. The traces go on waiting. */
  close(): void {
    for (const { cancelTimer } of this.#asking.values()) cancelTimer();
    this.#asking.clear();
  }

  async #begin(call: Call, args: Readonly<Record<string, unknown>>): Promise<CallToolResult | InputRequiredResult> {
    const { tool, caller, traceId, ctx } = call;
    const { flow, timeoutMs } = tool.init;
    const payload = await tool.payloadOf(args, caller);
    const { _meta: { traceparent, tracestate } = {} } = ctx.mcpReq;
    const stop = new AbortController();
    const items = flow.stream(payload as never, {
      tenant: caller.tenant,
      traceId,
      signal: stop.signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      meta: {
        ...(typeof traceparent === "string" ? { traceparent } : {}),
        ...(typeof tracestate === "string" ? { tracestate } : {}),
      },
    });
    return await this.#follow(call, items, (reason) => stop.abort(reason));
  }

  async #goOn(call: Call, { tokens }: CallState): Promise<CallToolResult | InputRequiredResult> {
    const { tool, caller, traceId, ctx } = call;
    const { flow } = tool.init;
    const { tenant } = caller;
    let found = this.#answered(traceId);
    const pauses = await flow.pauses.list({ tenant, traceId });
    let last: AsyncIterable<StreamItem<unknown>> | undefined;
    for (const [key, token] of Object.entries(tokens)) {
      const pause = pauses.find((candidate) => candidate.token === token);
      if (pause === undefined) continue; // answered before
      const response = inputResponse(ctx.mcpReq.inputResponses, key);
      if (response.kind !== "elicit") continue;
      const isAgreed = response.action === "accept";
      const value = isAgreed ? valueOf(call, pause, response.content ?? {}) : refusalOf(call, pause);
      if (value === undefined && !isAgreed) return await this.#deny(call, pause);
      if (value instanceof Misfit) return await this.#ask(call, pauses, found, value.message);
      if (last !== undefined) found = (await settled(last)) ?? found;
      last = flow.pauses.resumeStream(token, value, { tenant });
    }
    // resuming takes no signal
    const cancel = (reason: unknown): void => void flow.cancel(traceId, { tenant, reason }).catch(() => {});
    if (last !== undefined) return await this.#follow(call, last, cancel, found);
    if (pauses.length > 0) return await this.#ask(call, pauses, found);
    return failed("The question was answered before, or its call is over", FlowErrorCode.PAUSE_USED);
  }

  async #deny({ tool, caller, traceId }: Call, { reason }: PauseTicket): Promise<CallToolResult> {
    const denied = new FlowError({ code: FlowErrorCode.TRACE_CANCELLED, message: `"${reason}" was refused` });
    await tool.init.flow.cancel(traceId, { tenant: caller.tenant, reason: denied });
    return failed(`Denied: the user refused "${reason}"`, "DENIED");
  }

  /** Tells progress while a trace runs, and converts its end. */
  async #follow(
    call: Call,
    items: AsyncIterable<StreamItem<unknown>>,
    cancel: (reason: unknown) => void,
    before?: Found,
  ): Promise<CallToolResult | InputRequiredResult> {
    const { tool, caller, traceId, ctx } = call;
    const { flow } = tool.init;
    // only while the trace runs: the request of a call that asks is over, and aborts, while its trace waits
    const signal = signalOf(ctx);
    const onAbort = (): void => cancel(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    let result = before;
    let told = 0;
    try {
      for await (const item of items) {
        // the first result counts, as in `call`
        if (item.type === "result") result ??= { value: item.result };
        else if (item.type === "chunk") {
          told += 1;
          await tell(ctx, told, item.chunk);
        }
      }
    } catch (error) {
      const { code } = error instanceof FlowError ? error : { code: undefined };
      // an answer that does not fit leaves the question open
      if (code !== FlowErrorCode.TRACE_PAUSED && code !== FlowErrorCode.RESUME_INVALID) throw error;
      const problem = code === FlowErrorCode.RESUME_INVALID ? errorPayload(error).message : undefined;
      return await this.#ask(call, await flow.pauses.list({ tenant: caller.tenant, traceId }), result, problem);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    return await this.#resultOf(tool, result?.value);
  }

  async #resultOf(tool: ServedTool, value: unknown): Promise<CallToolResult> {
    const hasSchema = tool.output !== undefined;
    const end = planEndOf(value);
    if (end === undefined) return resultOf(await tool.resultOf(value), hasSchema);
    return end.status === "completed" ? resultOf(await tool.resultOf(end.output), hasSchema) : failedPlan(end);
  }

  /** Asks the client's user all open questions of a trace. */
  async #ask(
    call: Call,
    pauses: readonly PauseTicket[],
    found: Found | undefined,
    problem?: string,
  ): Promise<CallToolResult | InputRequiredResult> {
    const { tool, caller, traceId, ctx } = call;
    const elicitation = elicitationOf(call);
    if (elicitation === undefined) {
      await tool.init.flow.cancel(traceId, { tenant: caller.tenant });
      const reasons = pauses.map(({ reason }) => `"${reason}"`).join(", ");
      const text = `The call needs an answer to ${reasons}, and this client cannot ask its user (MCP elicitation)`;
      return failed(text, FlowErrorCode.TRACE_PAUSED);
    }
    const inputRequests: InputRequests = {};
    const tokens: Record<string, string> = {};
    for (const [index, pause] of pauses.entries()) {
      const key = `question-${index + 1}`;
      const { message, schema = TEXT_ANSWER, url } = questionOf(tool, pause);
      const text = problem === undefined ? message : `${problem}\n${message}`;
      tokens[key] = pause.token;
      if (url !== undefined && elicitation.url !== undefined)
        inputRequests[key] = inputRequired.elicitUrl({ message: text, url });
      else {
        const shown = url === undefined ? text : `${text}\n${url}`;
        inputRequests[key] = inputRequired.elicit({ message: shown, requestedSchema: schema as never });
      }
    }
    const state = { ...caller, tool: tool.name, traceId, tokens };
    const requestState = await this.#init.codec.mint(state, ctx);
    this.#waitForAnswer(call, found);
    return inputRequired({ inputRequests, requestState });
  }

  /** Cancels a trace whose question stays without an answer: its caller has gone. */
  #waitForAnswer({ tool, caller, traceId }: Call, found: Found | undefined): void {
    const { clock, answerWithinMs } = this.#init;
    const cancelTimer = clock.setTimer(() => {
      this.#asking.delete(traceId);
      const message = `No answer came within ${answerWithinMs} ms`;
      const reason = new FlowError({ code: FlowErrorCode.PAUSE_EXPIRED, message });
      tool.init.flow.cancel(traceId, { tenant: caller.tenant, reason }).catch(() => {});
    }, answerWithinMs);
    this.#asking.set(traceId, { cancelTimer, found });
  }

  #answered(traceId: string): Found | undefined {
    const asking = this.#asking.get(traceId);
    asking?.cancelTimer();
    this.#asking.delete(traceId);
    return asking?.found;
  }
}

/** Aborts when the client cancels the request, or has gone. */
function signalOf({ mcpReq, http }: ServerContext): AbortSignal {
  return http?.req === undefined ? mcpReq.signal : AbortSignal.any([mcpReq.signal, http.req.signal]);
}

/** Returns how the client can ask its user, if it can. The SDK finds out only after the call has ended. */
function elicitationOf({ server, ctx }: Call): ClientCapabilities["elicitation"] {
  const envelope = ctx.mcpReq.envelope as Readonly<Record<string, unknown>> | undefined;
  const sent = envelope?.[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined;
  // clients of the 2025 protocol tell it once, when they connect
  // oxlint-disable-next-line typescript/no-deprecated
  return (sent ?? server.server.getClientCapabilities())?.elicitation;
}

async function tell({ mcpReq }: ServerContext, progress: number, chunk: StreamChunk): Promise<void> {
  const { _meta: { progressToken } = {} } = mcpReq;
  const message = messageOf(chunk);
  if (progressToken === undefined || message === "") return;
  const params = { progressToken, progress, message };
  try {
    await mcpReq.notify({ method: "notifications/progress", params });
  } catch {
    // a reader that has gone aborts the request; progress alone does not fail a call
  }
}

function messageOf(chunk: StreamChunk): string {
  const { text, kind, data }: StreamChunkBase = chunk;
  return kind === undefined ? text : JSON.stringify({ kind, ...(data === undefined ? {} : { data }) });
}

/** Waits until a trace rests again, and returns the first result that it gives until then. */
async function settled(items: AsyncIterable<StreamItem<unknown>>): Promise<Found | undefined> {
  let found: Found | undefined;
  try {
    for await (const item of items) if (item.type === "result") found ??= { value: item.result };
  } catch (error) {
    if (!(error instanceof FlowError) || error.code !== FlowErrorCode.TRACE_PAUSED) throw error;
  }
  return found;
}

const TEXT_ANSWER: JsonSchema = { type: "object", properties: { answer: { type: "string" } }, required: ["answer"] };

function questionOf(tool: ServedTool, pause: PauseTicket): McpQuestion {
  const { question } = tool.init;
  if (question !== undefined) {
    const asked = question(pause);
    return asked.url === undefined ? asked : { ...asked, schema: AGREED };
  }
  const { reason, payload } = pause;
  const plan = planPauseOf(pause);
  if (plan !== undefined) return planQuestion(plan, reason);
  if (payload === undefined || payload === null) return { message: reason };
  return { message: `${reason}\n${typeof payload === "string" ? payload : JSON.stringify(payload)}` };
}

/** Makes the value that resumes a pause; a {@link Misfit} for content that breaks the question's schema. */
function valueOf({ tool, caller }: Call, pause: PauseTicket, content: Readonly<Record<string, unknown>>): unknown {
  const { schema } = questionOf(tool, pause);
  // clients are not trusted to have checked it
  const checked = toldSchema(schema ?? TEXT_ANSWER)["~standard"].validate(content);
  if (!(checked instanceof Promise) && checked.issues !== undefined)
    return new Misfit(`The answer does not fit: ${checked.issues.map(({ message }) => message).join("; ")}`);
  const { answer } = tool.init;
  if (answer !== undefined) return answer(content as Readonly<Record<string, Json>>, pause);
  const plan = planPauseOf(pause);
  if (plan !== undefined) return planAnswer(plan, content as Readonly<Record<string, Json>>, caller);
  return schema === undefined ? content["answer"] : content;
}

/** Makes the value that resumes a pause whose question is refused; `undefined` where that ends the call. */
function refusalOf({ tool, caller }: Call, pause: PauseTicket): unknown {
  if (tool.init.refusal !== undefined) return tool.init.refusal(pause);
  const plan = planPauseOf(pause);
  return plan === undefined ? undefined : planRefusal(plan, caller);
}
