import {
  type Context,
  type Effects,
  FlowError,
  FlowErrorCode,
  type Limiter,
  limiter,
  type Message,
  type MessagePolicy,
  node,
  type Playbook,
  type RetryQuestion,
} from "penguiflow";
import { leftOf, lowest, type PlanBudget } from "../plan/budget.ts";
import type { Json } from "../plan/json.ts";
import type { Prompt } from "../plan/log-item.ts";
import { type Call, type Done, doneOf, type Loop, type PlanInput } from "../plan/loop-state.ts";
import type { ToolOutput } from "../plan/tool-output.ts";
import type { Caller } from "../plan/caller.ts";
import type { Catalogue, ListedTool } from "../tools/catalogue.ts";
import { NothingDone, OutputInvalid } from "../tools/define-tool.ts";
import { errorOutput, type GateCaller } from "../tools/gate.ts";
import { checkAgainst, jsonSchemaOf } from "../tools/json-schema.ts";
import { secretsOf, withoutSecrets } from "../tools/secrets.ts";
import type { ToolSource } from "../tools/source.ts";
import type { PlannerBelow, ToolContext, ToolQuestion } from "../tools/tool.ts";
import { answerSchema, askedOf } from "./ask.ts";
import { type LoopNode, type PlannerParts, toolsNode, whoOf } from "./parts.ts";
import type { Answered } from "./people.ts";

const DEFAULT_CONCURRENCY = 8;

/** Limits of sources that planners share. */
const limiters = new WeakMap<ToolSource, Limiter>();

/** A tool's error without the secrets of its call. */
class ToolFailed extends Error {
  override readonly name: string = "ToolFailed";
  readonly retryable: boolean;
  /** Milliseconds that the other system asks for before another try. */
  readonly retryAfterMs: number | undefined;
  readonly isNothingDone: boolean;

  constructor(message: string, thrown: unknown) {
    super(message);
    this.retryable = !(
      typeof thrown === "object" &&
      thrown !== null &&
      "retryable" in thrown &&
      thrown.retryable === false
    );
    const { retryAfterMs } = (thrown ?? {}) as { readonly retryAfterMs?: unknown };
    const isDelay = typeof retryAfterMs === "number" && Number.isFinite(retryAfterMs) && retryAfterMs >= 0;
    this.retryAfterMs = isDelay ? retryAfterMs : undefined;
    this.isNothingDone = thrown instanceof NothingDone;
  }
}

/**
 * The end of a call whose tool has not come to its own end. It is thrown: a node that returns without a question that it
 * asked in an earlier process is taken for another program, and its run would be set aside.
 */
class CallEnded extends Error {
  override readonly name: string = "CallEnded";
  readonly output: ToolOutput;

  constructor(output: ToolOutput) {
    super(output.kind);
    this.output = output;
  }
}

/** Creates the node that runs the tools of a source, under the limits of the source. */
export function toolsNodeOf(parts: PlannerParts, source: ToolSource): LoopNode {
  const handler = async ({ payload: call }: Message<Call>, ctx: Context): Promise<Done> => {
    const startedAt = parts.clock.now();
    const { callId, tool } = call;
    const tell = (outcome: string, code?: string): number => {
      const ms = parts.clock.now() - startedAt;
      const data = { callId, tool, outcome, ...(code !== undefined && { code }), ms };
      ctx.tell({ type: "app.planner.result", data });
      return ms;
    };
    const { output, stop } = await run(parts, source, call, ctx).catch((error: unknown) => {
      if (error instanceof ToolFailed) tell("error", "TOOL_FAILED");
      if (error instanceof CallEnded) tell(error.output.kind, codeOf(error.output));
      throw error;
    });
    const ms = tell(output.kind, codeOf(output));
    return { ...doneOf(call), output, ms, attempt: ctx.attempt, ...(stop !== undefined && { stop }) };
  };
  return node(
    {
      name: toolsNode(source.name),
      policy: {
        ...limitsOf(source),
        ordering: "none",
        retryAfterMs: (error: unknown) => (error instanceof ToolFailed ? error.retryAfterMs : undefined),
        perMessage: policies(),
      },
    },
    handler,
  ) as LoopNode;
}

/** Returns the function that gives the policy of a call: of calls that are alike, the same. */
function policies(): (message: Message<Call>) => MessagePolicy<Call, Done> {
  const known = new Map<string, MessagePolicy<Call, Done>>();
  return ({ payload: { effects, timeoutMs, maxRetries } }) => {
    const key = `${effects}/${timeoutMs}/${maxRetries}`;
    let policy = known.get(key);
    if (policy === undefined) known.set(key, (policy = policyOf(effects, timeoutMs, maxRetries)));
    return policy;
  };
}

function policyOf(effects: Effects, timeoutMs: number, maxRetries: number): MessagePolicy<Call, Done> {
  return Object.freeze({
    ...(Number.isFinite(timeoutMs) && { timeoutMs }),
    maxRetries,
    retryIf: (error: unknown, { retryable }: RetryQuestion) => mayRetry(effects, error, retryable),
    onFailed: (error: FlowError, { payload: call }: Message<Call>): Done => ({
      ...doneOf(call),
      output: failureOf(error),
      ms: error.latencyMs ?? 0,
      attempt: error.attempt ?? 1,
    }),
  });
}

async function run(
  parts: PlannerParts,
  source: ToolSource,
  call: Call,
  ctx: Context,
): Promise<{ readonly output: ToolOutput; readonly stop?: string | undefined }> {
  const { gate, catalogue } = parts;
  const who = whoOf(call.loop, ctx);
  const listing = await gate.visible(who, call.loop.unavailable, ctx);
  const listed = listing.tools.get(call.tool);
  if (listed === undefined)
    throw new CallEnded(errorOutput("TOOL_UNAVAILABLE", `"${call.tool}" cannot be used any more`));
  if ((await gate.digestOf(listed)) !== call.digest)
    throw new CallEnded(errorOutput("TOOL_CHANGED", `"${call.tool}" has changed since it was called: call it again`));
  const credential = await credentialFor(catalogue, who.caller, source, ctx);
  if (credential === undefined && source.signsIn === "user")
    throw new CallEnded(errorOutput("SIGN_IN_FAILED", `The user is not signed in to "${source.name}"`));
  const secrets = secretsOf(credential);
  try {
    const output = await attempted(parts, { call, listed, who, ctx, credential, secrets });
    const { artifacts } = parts;
    const keep = artifacts && ((mediaType: string, data: Uint8Array) => artifacts.put(ctx.tenant, { mediaType, data }));
    const finished = await gate.finish(who, listed, output, keep);
    if (call.effects === "writes" && finished.output.kind === "error") throw new CallEnded(finished.output);
    return finished;
  } catch (error) {
    // a pause, a timeout and the end of the run are no failures of the tool
    ctx.signal.throwIfAborted();
    if (error instanceof CallEnded) throw error;
    const text = withoutSecrets(messageOf(error), secrets);
    if (error instanceof OutputInvalid) return { output: errorOutput("OUTPUT_INVALID", text) };
    throw new ToolFailed(text, error);
  }
}

/** Fetches the credential of a call. What its error says may be a secret, and nothing is known of it. */
async function credentialFor(catalogue: Catalogue, caller: Caller, source: ToolSource, ctx: Context): Promise<unknown> {
  try {
    return await catalogue.credentialOf(caller, source, ctx);
  } catch (error) {
    ctx.signal.throwIfAborted();
    throw new ToolFailed(`The credential for "${source.name}" cannot be fetched`, error);
  }
}

/** A call that is about to run. */
interface Attempted {
  readonly call: Call;
  readonly listed: ListedTool;
  readonly who: GateCaller;
  readonly ctx: Context;
  readonly credential: unknown;
  /** Texts of the credential. What the call stores and tells is without them. */
  readonly secrets: readonly string[];
}

/** Runs a call; one that writes, at most once. */
async function attempted({ gate, clock }: PlannerParts, attempt: Attempted): Promise<ToolOutput> {
  const { call, listed, ctx, secrets } = attempt;
  const { effects, goesOn, ifUnknown } = listed.tool;
  const args = call.edited ?? call.args;
  const runAs = async (key: string): Promise<ToolOutput> => {
    const context = toolContext({ ...attempt, key, epochNow: () => clock.epochNow() });
    return withoutSecrets(await gate.run(listed, args, context), secrets);
  };
  const key = ctx.idempotencyKey;
  if (effects === "reads" || goesOn === true) return await runAs(key);
  if (effects === "idempotent") {
    // stores the call before it begins: after a crash the model would be asked for its turn again, and call otherwise
    await ctx.once(`stored/${key}`, () => null, { keep: "message", ifFailed: "run", ifUnknown: "run" });
    return await runAs(key);
  }
  /** Keeps a failure as a result: a call that has begun does not begin again. */
  const once = async (effectKey: string): Promise<ToolOutput> => {
    try {
      return await runAs(effectKey);
    } catch (error) {
      const text = withoutSecrets(messageOf(error), secrets);
      // an error is stored, too
      if (error instanceof NothingDone) throw new NothingDone(text);
      ctx.signal.throwIfAborted();
      return errorOutput(error instanceof OutputInvalid ? "OUTPUT_INVALID" : "TOOL_FAILED", text);
    }
  };
  try {
    return await ctx.once(key, once, {
      keep: "message",
      // only what has done nothing, or waits for a person, is kept as a failure
      ifFailed: "run",
      ifUnknown:
        ifUnknown === "run"
          ? "run"
          : ifUnknown === "tell"
            ? "fail"
            : async (effectKey) => (await ifUnknown(effectKey)) ?? (await once(effectKey)),
    });
  } catch (error) {
    if (!(error instanceof FlowError) || error.code !== FlowErrorCode.EFFECT_UNKNOWN) throw error;
    throw new CallEnded({
      kind: "unknown",
      text: `It is not known whether "${call.tool}" took effect: it was cut off. Find out before you call it again.`,
    });
  }
}

/** Parts of a {@link ToolContext}. */
interface Given extends Attempted {
  readonly key: string;
  readonly epochNow: () => number;
}

function toolContext({ call, who, ctx, credential, secrets, key, epochNow }: Given): ToolContext<never> {
  const { callId, loop } = call;
  let asked = 0;
  let calls = 0;
  return {
    callId,
    idempotencyKey: key,
    attempt: ctx.attempt,
    caller: who.caller,
    credential,
    resources: ctx.resources as never,
    get signal() {
      return ctx.signal;
    },
    get left() {
      return lowest(leftOf(loop.budget, loop.spent), ctx.budget.left);
    },
    progress: async (data: Json) => {
      await ctx.emitChunk({ kind: "planner.progress", data: { callId, data: withoutSecrets(data, secrets) } });
    },
    ask: async <Value>(question: ToolQuestion<Value>): Promise<Value> => {
      asked += 1;
      return await ask(question, asked, { call, who, ctx, secrets, epochNow });
    },
    once: (name, effect) => ctx.once(`${key}/${name}`, effect, { keep: "message" }),
    call: async <Input, Result>(flow: Playbook<Input, Result>, input: Input): Promise<Result> => {
      calls += 1;
      return await ctx.callPlaybook(flow, input, { key: `${callId}/${calls}` });
    },
    run: async <Output>({ name, flow }: PlannerBelow<Output>, prompt: Prompt, budget?: Partial<PlanBudget>) => {
      calls += 1;
      const { user, thread, streams } = loop;
      const path = [...who.path, name];
      const input: PlanInput = { prompt, user, thread, budget, path, streams };
      return await ctx.callPlaybook(flow, input, { key: `${callId}/${calls}` });
    },
  };
}

async function ask<Value>(
  question: ToolQuestion<Value>,
  index: number,
  { call, who, ctx, secrets, epochNow }: Pick<Given, "call" | "who" | "ctx" | "secrets" | "epochNow">,
): Promise<Value> {
  const { schema, expiresInMs } = question;
  const { reason, payload } = withoutSecrets({ reason: question.reason, payload: question.payload }, secrets);
  const jsonSchema = jsonSchemaOf(`the question of tool "${call.tool}"`, schema, question.jsonSchema);
  const check = async ({ decision }: Answered): Promise<string | undefined> => {
    if (!("value" in decision)) return "expected a value";
    const checked = await checkAgainst(schema, decision.value);
    return checked.ok ? undefined : checked.problem;
  };
  const answered = await ctx.pause<Answered | "expired">({
    name: `input ${index}`,
    reason,
    payload: askedOf(call, who, { kind: "input", schema: jsonSchema, ...(payload !== undefined && { payload }) }),
    resumeSchema: answerSchema(check),
    ...(expiresInMs !== undefined && { expiresAt: epochNow() + expiresInMs, ifExpired: "expired" as const }),
  });
  if (answered === "expired") throw new Error(`No answer to "${reason}" in time`);
  const { decision } = answered;
  const checked = await checkAgainst(schema, "value" in decision ? decision.value : undefined);
  if (!checked.ok) throw new TypeError(`The answer to "${reason}" does not fit: ${checked.problem}`);
  return checked.value as Value;
}

function limitsOf(source: ToolSource): { readonly limiter?: Limiter; readonly concurrency: number } {
  const { concurrency = DEFAULT_CONCURRENCY, perCaller, name } = source;
  // tools that are the planner's own share nothing
  if (name === "") return { concurrency: Number.POSITIVE_INFINITY };
  let shared = limiters.get(source);
  if (shared === undefined) {
    shared = perCaller === undefined ? limiter({ concurrency }) : limiter({ concurrency: perCaller, by: callerKey });
    limiters.set(source, shared);
  }
  return { limiter: shared, concurrency: perCaller === undefined ? Number.POSITIVE_INFINITY : concurrency };
}

function callerKey({ headers, payload }: Message): string {
  return JSON.stringify([headers.tenant, (payload as { readonly loop: Loop }).loop.user ?? null]);
}

function mayRetry(effects: Effects, error: unknown, retryable: boolean): boolean {
  if (effects === "writes") return error instanceof ToolFailed && error.isNothingDone;
  if (error instanceof CallEnded) return false;
  return retryable && !(error instanceof ToolFailed && !error.retryable);
}

function failureOf(error: FlowError): ToolOutput {
  if (error.code === FlowErrorCode.NODE_TIMEOUT)
    return errorOutput("TOOL_TIMEOUT", `The call took too long. ${error.message}`);
  const thrown = error.unwrap();
  return thrown instanceof CallEnded ? thrown.output : errorOutput("TOOL_FAILED", messageOf(thrown));
}

function codeOf(output: ToolOutput): string | undefined {
  return output.kind === "error" ? output.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
