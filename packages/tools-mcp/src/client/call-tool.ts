import {
  type CallToolResult,
  type ElicitRequestParams,
  type InputRequiredResult,
  type InputResponses,
  isInputRequiredResult,
  type Tool as ServerTool,
  UrlElicitationRequiredError,
} from "@modelcontextprotocol/client";
import type { Effects, Json, ToolContext } from "@penguiflow/planner";
import { FlowError, FlowErrorCode } from "penguiflow";
import type { Connection } from "./connection.ts";
import { failedRequest, isRefusal, isSessionGone, isTimeout, isUnauthorized } from "./failures.ts";
import { askPerson } from "./server-questions.ts";

/** A call of a server's tool. */
export interface ServerCall {
  readonly source: string;
  readonly tool: ServerTool;
  readonly effects: Effects;
  readonly args: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
  readonly ctx: ToolContext<never>;
}

/** Answers to the questions of a round, with what the server wants back. */
interface Answers {
  readonly inputResponses?: InputResponses;
  readonly requestState?: string;
}

/** Rounds of questions in one call. */
const MAX_ROUNDS = 10;

/** Calls a tool. Passes its questions to a person, its progress to readers, and an abort to the server. */
export async function callTool(connection: Connection, call: ServerCall): Promise<CallToolResult> {
  return connection.asksInResults ? await callInRounds(connection, call) : await callOnce(connection, call);
}

/** Calls a tool whose server asks while it works: the question of a call is a request of the server. */
async function callOnce(connection: Connection, call: ServerCall): Promise<CallToolResult> {
  const { source, ctx } = call;
  let parked: { readonly error: unknown } | undefined;
  const stop = new AbortController();
  const asker = {
    ask: async (params: ElicitRequestParams) => {
      try {
        return await askPerson(source, params, (question) => ctx.ask(question));
      } catch (error) {
        // the run waits for the answer without this call: the server is called again then
        parked = { error };
        stop.abort(error);
        throw error;
      }
    },
  };
  try {
    const signal = AbortSignal.any([ctx.signal, stop.signal]);
    return await connection.withAsker(asker, async () => {
      for (let round = 0; ; round += 1) {
        try {
          return (await send(connection, call, signal, {})) as CallToolResult;
        } catch (error) {
          // nothing has happened yet: the server wants a page to be visited first
          if (!UrlElicitationRequiredError.isInstance(error) || round >= MAX_ROUNDS) throw error;
          for (const params of error.elicitations) await asker.ask(params);
        }
      }
    });
  } catch (error) {
    if (parked !== undefined) throw parked.error;
    throw error;
  }
}

/** The part of a round that outlasts it: a question. What ended the call is in memory alone. */
interface KeptRound {
  readonly question?: Json;
}

/**
 * Calls a tool whose server asks in its results, each followed by a call with the answers. A round that asked is kept:
 * after a pause the call goes on with the answer, and does not begin again.
 */
async function callInRounds(connection: Connection, call: ServerCall): Promise<CallToolResult> {
  let answers: Answers = {};
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const given = answers;
    const answer = await keptRound(`mcp-round-${round}`, call, () => send(connection, call, call.ctx.signal, given));
    if (!isInputRequiredResult(answer)) return answer;
    const { requestState } = answer;
    answers = {
      inputResponses: await answersTo(answer, call),
      ...(requestState === undefined ? {} : { requestState }),
    };
  }
  throw new Error(`the tool asked more than ${MAX_ROUNDS} times`);
}

async function keptRound(
  key: string,
  { ctx, effects }: ServerCall,
  run: () => Promise<CallToolResult | InputRequiredResult>,
): Promise<CallToolResult | InputRequiredResult> {
  for (let count = 0; ; count += 1) {
    let end: { readonly result: CallToolResult } | { readonly error: unknown } | undefined;
    let kept: KeptRound;
    try {
      kept = await ctx.once(`${key}.${count}`, async () => {
        try {
          const answer = await run();
          if (isInputRequiredResult(answer)) return { question: answer as unknown as Json };
          end = { result: answer };
        } catch (error) {
          end = { error };
        }
        return {};
      });
    } catch (error) {
      // a process ended during the round of a call that may be repeated
      if (effects !== "writes" && error instanceof FlowError && error.code === FlowErrorCode.EFFECT_UNKNOWN) continue;
      throw error;
    }
    if (kept.question !== undefined) return kept.question as unknown as InputRequiredResult;
    if (end === undefined) continue; // the end of an earlier attempt
    if ("error" in end) throw end.error;
    return end.result;
  }
}

async function answersTo({ inputRequests = {} }: InputRequiredResult, call: ServerCall): Promise<InputResponses> {
  const { source, ctx } = call;
  const responses: InputResponses = {};
  for (const [key, request] of Object.entries(inputRequests)) {
    if (request.method !== "elicitation/create")
      throw new Error(`the server asks for "${request.method}", which is refused`);
    responses[key] = await askPerson(source, request.params, (question) => ctx.ask(question));
  }
  return responses;
}

async function send(
  connection: Connection,
  call: ServerCall,
  signal: AbortSignal,
  answers: Answers,
): Promise<CallToolResult | InputRequiredResult> {
  try {
    return await sendOnce(connection, call, signal, answers);
  } catch (error) {
    const isKnown = isTimeout(error) || isUnauthorized(error) || isRefusal(error) || isSessionGone(error);
    if (isKnown || signal.aborted || UrlElicitationRequiredError.isInstance(error)) throw error;
    throw failedRequest(call.source, `call "${call.tool.name}"`, error);
  }
}

async function sendOnce(
  connection: Connection,
  { tool, args, timeoutMs, ctx }: ServerCall,
  signal: AbortSignal,
  answers: Answers,
): Promise<CallToolResult | InputRequiredResult> {
  // the SDK would look for the structured content of a question
  const { outputSchema: _, ...toolDefinition } = tool;
  return await connection.client.callTool(
    { name: tool.name, arguments: args, ...answers },
    {
      toolDefinition,
      signal,
      timeout: timeoutMs,
      allowInputRequired: true,
      onprogress: ({ progress, total, message }) => {
        const told = {
          progress,
          ...(total === undefined ? {} : { total }),
          ...(message === undefined ? {} : { message }),
        };
        // a reader that has left does not fail the call
        ctx.progress(told).catch(() => {});
      },
    },
  );
}
