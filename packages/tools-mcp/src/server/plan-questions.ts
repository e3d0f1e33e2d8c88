import type { Json, JsonSchema, Question } from "@penguiflow/planner";
import type { PauseTicket } from "penguiflow";
import type { McpCaller, McpQuestion } from "./mcp-server-options.ts";

/** Payload of a pause of a planner. */
type PlanPause = Pick<Question, "kind" | "tool" | "args" | "schema" | "payload">;

/** Returns what a planner asks with a pause; `undefined` for a pause of another flow. */
export function planPauseOf({ payload }: PauseTicket): PlanPause | undefined {
  if (typeof payload !== "object" || payload === null || !("callId" in payload) || !("kind" in payload))
    return undefined;
  return payload as unknown as PlanPause;
}

/** Makes the question of a planner's pause. An approval and a sign-in are agreed to or refused. */
export function planQuestion({ kind, tool, args, schema, payload }: PlanPause, reason: string): McpQuestion {
  const call = `${tool} ${JSON.stringify(args)}`;
  if (kind === "input") return { message: reason, schema };
  if (kind === "approval") return { message: `${reason}\n${call}`.trim(), schema: AGREED };
  const { url } = (payload ?? {}) as { readonly url?: string };
  return { message: reason, schema: AGREED, ...(url === undefined ? {} : { url }) };
}

/** Schema of an answer that only agrees. */
export const AGREED: JsonSchema = { type: "object", properties: {} };

/** Makes the value that resumes a planner: the decision, and who has made it. */
export function planAnswer({ kind }: PlanPause, content: Readonly<Record<string, Json>>, caller: McpCaller): unknown {
  const decision = kind === "approval" ? { approved: true } : { value: kind === "input" ? content : null };
  return { decision, ...madeBy(caller) };
}

/** Makes the value that resumes a planner whose question is refused; `undefined` where only an approval can be. */
export function planRefusal({ kind }: PlanPause, caller: McpCaller): unknown {
  if (kind !== "approval") return undefined;
  return { decision: { approved: false, reason: "the user has refused it" }, ...madeBy(caller) };
}

const madeBy = ({ user }: McpCaller): object => ({
  by: user ?? "the MCP client's user",
  ...(user === undefined ? {} : { user }),
});
