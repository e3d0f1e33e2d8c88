import type { PauseTicket } from "penguiflow";
import type { Json } from "../plan/json.ts";
import type { Answerer, Decision, Question } from "../plan/question.ts";

/** Payload of a pause of a planner. */
export interface Asked extends Pick<Question, "kind" | "callId" | "tool" | "args" | "schema"> {
  readonly payload?: Json | undefined;
  readonly user?: string | undefined;
  readonly thread?: string | undefined;
}

/** An answer with who gave it, as `resume` passes it to the node that asks. */
export interface Answered extends Pick<Answerer, "by" | "user"> {
  readonly decision: Decision;
}

/** Makes the question of a pause; `undefined` if the pause is of another node. */
export function questionOf({
  token,
  reason,
  payload,
  expiresAt,
  path,
}: PauseTicket): (Question & Pick<Asked, "user" | "thread">) | undefined {
  if (typeof payload !== "object" || payload === null || !("callId" in payload)) return undefined;
  const asked = payload as Asked;
  return { ...asked, token, reason, path, ...(expiresAt !== undefined && { expiresAt }) };
}
