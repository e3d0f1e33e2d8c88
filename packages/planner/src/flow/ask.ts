import { type Context, type Message, node, type Schema, type SchemaResult, transient } from "penguiflow";
import { dropConversation } from "../model/conversation.ts";
import type { Caller } from "../plan/caller.ts";
import type { EntryInit } from "../plan/entry.ts";
import { type Call, doneOf } from "../plan/loop-state.ts";
import type { Json } from "../plan/json.ts";
import type { Decision } from "../plan/question.ts";
import type { ToolOutput } from "../plan/tool-output.ts";
import type { ListedTool } from "../tools/catalogue.ts";
import { denied, errorOutput, type GateCaller } from "../tools/gate.ts";
import { editProblem, textsOfArgs, unmaskedArgs } from "../tools/secret-arguments.ts";
import { withoutSecrets } from "../tools/secrets.ts";
import type { ToolSource } from "../tools/source.ts";
import type { Approval } from "../tools/tool.ts";
import { log, type LoopNode, NODES, type PlannerParts, toolsNode, whoOf } from "./parts.ts";
import type { Answered, Asked } from "./people.ts";

/**
 * Creates the node that asks people before a call: whether it may run, and to sign in. While it waits, no process has
 * to. It is called again with the answer, and sends the call to its tool or, denied, to the log.
 */
export function askNode(parts: PlannerParts): LoopNode {
  const handler = async ({ payload: call }: Message<Call>, ctx: Context): Promise<void> => {
    dropConversation(call.loop.budget);
    const who = whoOf(call.loop, ctx);
    const listing = await parts.gate.visible(who, call.loop.unavailable, ctx);
    const listed = listing.tools.get(call.tool);
    const entries: EntryInit[] = [];
    let next = call;
    let output: ToolOutput | undefined;
    if (call.asks !== undefined) {
      const { decision, by } = await approval(parts, ctx, who, call, listed);
      entries.push({ type: "decision", callId: call.callId, by, decision });
      if ("approved" in decision && decision.approved) {
        if (decision.args !== undefined) next = editedCall(call, listed, decision.args);
      } else output = denied(reasonOf(decision));
    }
    // a question that was asked is asked again, also when its tool is gone: its answer would be lost
    if (output === undefined && (listed === undefined || listed.source.signsIn === "user"))
      output = await signIn(parts, ctx, who, call, listed?.source);
    if (output === undefined && listed === undefined)
      output = errorOutput("TOOL_UNAVAILABLE", `"${call.tool}" cannot be used any more`);
    if (entries.length > 0) await log(ctx, parts, call.loop.spent.steps, entries);
    if (output === undefined) return await ctx.emit(next, { to: toolsNode((listed as ListedTool).source.name) });
    await ctx.emit(doneOf(call, output, 0, 0), { to: NODES.record });
  };
  return node(
    { name: NODES.ask, policy: { concurrency: Number.POSITIVE_INFINITY, ordering: "none" } },
    handler,
  ) as LoopNode;
}

/** Returns a call with the arguments of a person in place of its own; those that are secret stay. */
function editedCall(call: Call, listed: ListedTool | undefined, edited: Json): Call {
  const { unmasked } = call;
  if (unmasked?.value === undefined || listed === undefined) return { ...call, edited };
  return { ...call, edited, unmasked: transient(unmaskedArgs(listed.tool, edited, unmasked.value)) };
}

/** Asks whether a call may run. An answer that does not fit is refused, and the question stays open. */
async function approval(
  { gate, clock }: PlannerParts,
  ctx: Context,
  who: GateCaller,
  call: Call,
  listed: ListedTool | undefined,
): Promise<Answered> {
  const rule = rulesOf(listed);
  const check = async ({ decision, by }: Answered): Promise<string | undefined> => {
    if (rule.approvers !== undefined && !rule.approvers(by, who.caller)) return `"${by}" may not answer this question`;
    if (!("approved" in decision)) return "expected an approval or a denial";
    if (!decision.approved || decision.args === undefined || listed === undefined) return undefined;
    const problem = editProblem(listed.tool.secrets, decision.args, call.args);
    if (problem !== undefined) return problem;
    const { unmasked } = editedCall(call, listed, decision.args);
    const full = unmasked === undefined ? decision.args : unmasked.value;
    // a call whose arguments are lost is told as that
    const refused = full === undefined ? undefined : await gate.admitArgs(who, listed, full);
    if (full === undefined || refused === undefined || refused.asks !== undefined) return undefined;
    const { output } = withoutSecrets(refused, textsOfArgs(listed.tool, full));
    return output.kind === "error" ? output.text : output.kind === "denied" ? output.reason : "the policy refuses it";
  };
  return await ctx.pause<Answered>({
    name: "approval",
    reason: call.asks ?? "",
    payload: askedOf(call, who.caller, {
      kind: "approval",
      schema: listed?.tool.inputSchema ?? {},
      ...(listed?.tool.secrets !== undefined && { secrets: listed.tool.secrets }),
    }),
    resumeSchema: answerSchema(check),
    ...(rule.expiresInMs !== undefined && {
      expiresAt: clock.epochNow() + rule.expiresInMs,
      ifExpired: { by: "", decision: { approved: false, reason: "there was no answer in time" } },
    }),
  });
}

/**
 * Asks the user to sign in at a source, unless there is a credential, or the source is gone and has not asked.
 * Returns the result of a call for which it cannot.
 */
async function signIn(
  { catalogue }: PlannerParts,
  ctx: Context,
  who: GateCaller,
  call: Call,
  source: ToolSource | undefined,
): Promise<ToolOutput | undefined> {
  const { caller } = who;
  // kept, so that the handler asks again when it is called with the answer
  const url = await ctx.once(
    `${ctx.idempotencyKey}/sign-in`,
    async () => {
      if (source === undefined) return null;
      try {
        const credential = await catalogue.credentialOf(caller, source, ctx);
        return credential === undefined ? ((await source.signIn?.(caller, ctx.signal))?.url ?? "") : null;
      } catch {
        // the text of the error may be a secret
        ctx.signal.throwIfAborted();
        return false;
      }
    },
    { keep: "message", ifFailed: "run", ifUnknown: "run" },
  );
  if (url === null) return undefined;
  if (url === false) return errorOutput("SIGN_IN_FAILED", `The user cannot sign in to "${source?.name ?? ""}" now`);
  const check = ({ user }: Answered): string | undefined =>
    user === caller.user ? undefined : "only the user of the run may sign in";
  await ctx.pause({
    name: "sign-in",
    reason: `Sign in to "${source?.name ?? call.tool}"`,
    payload: askedOf(call, who.caller, { kind: "sign-in", schema: {}, payload: { url } }),
    resumeSchema: answerSchema(check),
  });
  return undefined;
}

/** Makes what a question carries. */
export function askedOf(
  call: Call,
  caller: Caller,
  question: Pick<Asked, "kind" | "schema" | "payload" | "secrets">,
): Asked {
  const { callId, tool } = call;
  const { user, thread } = caller;
  return {
    ...question,
    callId,
    tool,
    args: call.edited ?? call.args,
    ...(user !== undefined && { user }),
    ...(thread !== undefined && { thread }),
  };
}

/** Makes the schema of an answer; `check` says why one is refused. */
export function answerSchema(
  check: (answered: Answered) => string | undefined | Promise<string | undefined>,
): Schema<unknown, Answered> {
  const validate = async (value: unknown): Promise<SchemaResult<Answered>> => {
    const problem = isAnswered(value) ? await check(value) : "expected a decision and who gave it";
    return problem === undefined ? { value: value as Answered } : { issues: [{ message: problem }] };
  };
  return { "~standard": { version: 1, vendor: "penguiflow", validate } };
}

function isAnswered(value: unknown): value is Answered {
  return typeof value === "object" && value !== null && "decision" in value && "by" in value;
}

function rulesOf(listed: ListedTool | undefined): Exclude<Approval<unknown>, boolean | ((...args: never) => unknown)> {
  const rule = listed?.tool.approval as Approval<unknown> | undefined;
  return typeof rule === "object" ? rule : {};
}

function reasonOf(decision: Decision): string {
  return "approved" in decision && !decision.approved && decision.reason !== undefined
    ? decision.reason
    : "a person has refused it";
}
