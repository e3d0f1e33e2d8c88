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
  type RetryQuestion,
} from "penguiflow";
import type { Caller } from "../plan/caller.ts";
import type { Json } from "../plan/json.ts";
import { type Call, type Done, doneOf, type Loop, type Recorded } from "../plan/loop-state.ts";
import type { ToolOutput } from "../plan/tool-output.ts";
import type { Catalogue, ListedTool } from "../tools/catalogue.ts";
import { NothingDone, OutputInvalid } from "../tools/define-tool.ts";
import type { Keep } from "../tools/clamp.ts";
import { errorOutput, type Gate, type GateCaller, type Refused } from "../tools/gate.ts";
import { lostArguments, textsOfArgs } from "../tools/secret-arguments.ts";
import { secretsOf, withoutSecrets } from "../tools/secrets.ts";
import type { ToolSource } from "../tools/source.ts";
import { CallContext, type RunningCall } from "./call-context.ts";
import { type LoopNode, NODES, type PlannerParts, toolsNode, whoOf } from "./parts.ts";
import { recordedOf, recordResult } from "./record.ts";

const DEFAULT_CONCURRENCY = 8;

/** Limits of sources that planners share. */
const limiters = new WeakMap<ToolSource, Limiter>();

/** Options of an effect that does nothing, and is stored. */
const STORED = { keep: "message", ifFailed: "run", ifUnknown: "run" } as const;

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

/**
 * Creates the node that runs the tools of a source, under the limits of the source. The result of a call that is alone in
 * its turn goes into the log here and the model is next; others are recorded one after the other.
 */
export function toolsNodeOf(parts: PlannerParts, source: ToolSource): LoopNode {
  const { clock, gate, policies } = parts;
  const handler = async ({ payload: call }: Message<Call>, ctx: Context): Promise<Done | readonly [Recorded]> => {
    const startedAt = clock.now();
    let context: CallContext | undefined;
    let finished: Refused;
    try {
      const ready = prepared(parts, source, call, ctx);
      const { who, listed, running } = ready instanceof Promise ? await ready : ready;
      context = new CallContext(running);
      const isOnce = call.effects === "writes" && listed.tool.goesOn !== true;
      const args = fullArgs(call);
      // stores the call before it begins: after a crash the model would be asked for its turn again, and call otherwise
      if (call.effects === "idempotent" && listed.tool.goesOn !== true)
        await ctx.once(`stored/${ctx.idempotencyKey}`, () => null, STORED);
      const ran = await (isOnce ? runOnce : run)(gate, listed, args, context);
      const finishing = gate.finish(who, listed, withoutSecrets(ran, context.secrets), keeperOf(parts, ctx));
      finished = finishing instanceof Promise ? await finishing : finishing;
      if (call.effects === "writes" && finished.output.kind === "error") throw new CallEnded(finished.output);
    } catch (thrown) {
      const failure = context === undefined ? thrown : failureIn(context, thrown);
      const ms = clock.now() - startedAt;
      if (failure instanceof ToolFailed) tell(ctx, call, "error", "TOOL_FAILED", ms);
      if (failure instanceof CallEnded) tell(ctx, call, failure.output.kind, codeOf(failure.output), ms);
      if (!(failure instanceof OutputInvalid)) throw failure;
      finished = { output: errorOutput("OUTPUT_INVALID", failure.message) };
    }
    const { output, stop } = finished;
    const ms = clock.now() - startedAt;
    tell(ctx, call, output.kind, codeOf(output), ms);
    const done = doneOf(call, output, ms, ctx.attempt, stop);
    // policies see an error before the model does
    if (call.of > 1 || call.background === true || (output.kind === "error" && policies.length > 0)) return done;
    await recordResult(parts, ctx, done);
    return [recordedOf(done)];
  };
  return node(
    {
      name: toolsNode(source.name),
      policy: {
        ...limitsOf(source),
        ordering: "none",
        retryAfterMs: (error: unknown) => (error instanceof ToolFailed ? error.retryAfterMs : undefined),
        perMessage: policyOfCall(),
      },
      route: (ran: Done | readonly [Recorded]) => ("output" in ran ? NODES.record : NODES.model),
    },
    handler,
  ) as LoopNode;
}

function tell(ctx: Context, { callId, tool }: Call, outcome: string, code: string | undefined, ms: number): void {
  const data = { callId, tool, outcome, ms };
  ctx.tell({ type: "app.planner.result", data: code === undefined ? data : { ...data, code } });
}

type CallPolicy = MessagePolicy<Call, Done>;

/** Returns the function that gives the policy of a call: of calls that are alike, the same. */
function policyOfCall(): (message: Message<Call>) => CallPolicy {
  const known: { readonly of: Pick<Call, "effects" | "timeoutMs" | "maxRetries">; readonly policy: CallPolicy }[] = [];
  return ({ payload: { effects, timeoutMs, maxRetries } }) => {
    for (const { of, policy } of known)
      if (of.effects === effects && of.timeoutMs === timeoutMs && of.maxRetries === maxRetries) return policy;
    const policy = policyOf(effects, timeoutMs, maxRetries);
    known.push({ of: { effects, timeoutMs, maxRetries }, policy });
    return policy;
  };
}

function policyOf(effects: Effects, timeoutMs: number, maxRetries: number): CallPolicy {
  return Object.freeze({
    ...(Number.isFinite(timeoutMs) && { timeoutMs }),
    maxRetries,
    retryIf: (error: unknown, { retryable }: RetryQuestion) => mayRetry(effects, error, retryable),
    onFailed: (error: FlowError, { payload: call }: Message<Call>): Done =>
      doneOf(call, failureOf(error), error.latencyMs ?? 0, error.attempt ?? 1),
  });
}

/** A call that can run. */
interface Ready {
  readonly who: GateCaller;
  readonly listed: ListedTool;
  readonly running: RunningCall;
}

/** Prepares a call: at once, unless something has to be fetched. */
function prepared(parts: PlannerParts, source: ToolSource, call: Call, ctx: Context): Ready | Promise<Ready> {
  const { gate, catalogue } = parts;
  const listing = gate.open;
  if (listing === undefined || catalogue.givesCredentials) return fetched(parts, source, call, ctx);
  // tools that never change have no digest
  const listed = sameTool(call, listing.tools.get(call.tool), "");
  return readyOf(parts, { source, call, ctx, who: whoOf(call.loop, ctx), listed, credential: undefined });
}

async function fetched(parts: PlannerParts, source: ToolSource, call: Call, ctx: Context): Promise<Ready> {
  const { gate, catalogue } = parts;
  const who = whoOf(call.loop, ctx);
  const { tools } = await gate.visible(who, call.loop.unavailable, ctx);
  const found = tools.get(call.tool);
  const listed = sameTool(call, found, found === undefined ? "" : await gate.digestOf(found));
  const credential = await credentialFor(catalogue, who.caller, source, ctx);
  return readyOf(parts, { source, call, ctx, who, listed, credential });
}

/** Returns the tool of a call, if it still is what the model was told of. */
function sameTool(call: Call, listed: ListedTool | undefined, digest: string): ListedTool {
  if (listed === undefined)
    throw new CallEnded(errorOutput("TOOL_UNAVAILABLE", `"${call.tool}" cannot be used any more`));
  if (digest !== call.digest)
    throw new CallEnded(errorOutput("TOOL_CHANGED", `"${call.tool}" has changed since it was called: call it again`));
  return listed;
}

function readyOf(
  { clock }: PlannerParts,
  {
    source,
    call,
    ctx,
    who,
    listed,
    credential,
  }: Omit<Ready, "running"> & Pick<RunningCall, "call" | "ctx" | "credential"> & { readonly source: ToolSource },
): Ready {
  if (credential === undefined && source.signsIn === "user")
    throw new CallEnded(errorOutput("SIGN_IN_FAILED", `The user is not signed in to "${source.name}"`));
  const args = call.unmasked && fullArgs(call);
  const secrets = args === undefined ? secretsOf(credential) : secretsOf([credential, textsOfArgs(listed.tool, args)]);
  const running = { call, caller: who.caller, ctx, credential, secrets, clock };
  return { who, listed, running };
}

/** Returns the arguments of a call; nothing if some were secret, and went with the process that had them. */
function fullArgs({ unmasked, edited, args }: Call): Json | undefined {
  return unmasked === undefined ? (edited ?? args) : unmasked.value;
}

/** Returns the failure of a call that has run. */
function failureIn({ ctx, secrets }: CallContext, thrown: unknown): Error {
  // a pause, a timeout and the end of the run are no failures of the tool
  ctx.signal.throwIfAborted();
  if (thrown instanceof CallEnded) return thrown;
  const text = withoutSecrets(messageOf(thrown), secrets);
  return thrown instanceof OutputInvalid ? new OutputInvalid(text) : new ToolFailed(text, thrown);
}

/** Returns the function that keeps a result whole, if there is a place for it. */
function keeperOf({ artifacts }: PlannerParts, ctx: Context): Keep | undefined {
  return artifacts && ((mediaType, data) => artifacts.put(ctx.tenant, { mediaType, data }));
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

/** Runs a call that may be repeated. */
function run(gate: Gate, listed: ListedTool, args: Json | undefined, context: CallContext): Promise<ToolOutput> {
  if (args === undefined) throw new CallEnded(lostArguments(listed.tool.name));
  return gate.run(listed, args, context);
}

/** Runs a call that writes, at most once. */
async function runOnce(
  gate: Gate,
  listed: ListedTool,
  args: Json | undefined,
  context: CallContext,
): Promise<ToolOutput> {
  const { ctx, secrets } = context;
  const { ifUnknown } = listed.tool;
  /** Keeps a failure as a result: a call that has begun does not begin again. */
  const once = async (effectKey: string): Promise<ToolOutput> => {
    if (args === undefined) return lostArguments(listed.tool.name);
    try {
      return withoutSecrets(await gate.run(listed, args, context.withKey(effectKey)), secrets);
    } catch (error) {
      const text = withoutSecrets(messageOf(error), secrets);
      // an error is stored, too
      if (error instanceof NothingDone) throw new NothingDone(text);
      ctx.signal.throwIfAborted();
      return errorOutput(error instanceof OutputInvalid ? "OUTPUT_INVALID" : "TOOL_FAILED", text);
    }
  };
  try {
    return await ctx.once(ctx.idempotencyKey, once, {
      keep: "message",
      // only what has done nothing, or waits for a person, is kept as a failure
      ifFailed: "run",
      ifUnknown:
        // without its arguments it cannot be run again
        ifUnknown === "run" && args !== undefined
          ? "run"
          : typeof ifUnknown === "string"
            ? "fail"
            : async (effectKey) => (await ifUnknown(effectKey)) ?? (await once(effectKey)),
    });
  } catch (error) {
    if (!(error instanceof FlowError) || error.code !== FlowErrorCode.EFFECT_UNKNOWN) throw error;
    throw new CallEnded({
      kind: "unknown",
      text: `It is not known whether "${listed.tool.name}" took effect: it was cut off. Find out before you call it again.`,
    });
  }
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
