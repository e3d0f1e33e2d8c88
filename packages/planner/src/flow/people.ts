import type { PauseTicket } from "penguiflow";
import type { Json } from "../plan/json.ts";
import type { Answerer, Decision, Question } from "../plan/question.ts";

/** Payload of a pause of a planner. */
export interface Asked extends Pick<Question, "kind" | "callId" | "tool" | "args" | "schema"> {
  readonly payload?: Json | undefined;
  /** Names of arguments that the person neither sees nor sets. */
  readonly secrets?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly thread?: string | undefined;
}

/** An answer with who gave it, as `resume` passes it to the node that asks. */
export interface Answered extends Pick<Answerer, "by" | "user"> {
  readonly decision: Decision;
}

/** Makes the question of a pause: of a planner, or of another flow below one. */
export function questionOf(ticket: PauseTicket): Question {
  const { token, reason, node, path, expiresAt } = ticket;
  const asked = askedBy(ticket) ?? {
    kind: "input",
    callId: "",
    tool: node,
    args: null,
    schema: {},
    ...(ticket.payload !== undefined && { payload: ticket.payload as Json }),
  };
  const { kind, callId, tool, args, payload, schema } = asked;
  return {
    token,
    kind,
    reason,
    callId,
    tool,
    args,
    schema,
    path,
    ...(payload !== undefined && { payload }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}

/** Returns what a planner's pause carries; `undefined` for a pause of another flow. */
export function askedBy({ payload }: Pick<PauseTicket, "payload">): Asked | undefined {
  const isAsked = typeof payload === "object" && payload !== null && "callId" in payload && "kind" in payload;
  return isAsked ? (payload as Asked) : undefined;
}
