import type { Message } from "@a2a-js/sdk";
import type { PauseTicket } from "penguiflow";
import { valueOf } from "../wire.ts";
import type { A2ACaller } from "./server-options.ts";

/** Payload of a planner's pause, as far as its answer depends on it. */
interface Asked {
  readonly kind: "approval" | "input" | "sign-in";
  readonly callId: string;
}

/**
 * Makes the input of a planner of a message, and the decision of an answer: `payloadOf` for a served planner. User and
 * thread are the authenticated caller and the context of the task. Of what a client sends only the prompt, or the
 * answer itself, is taken. An approval is answered with `{ "approved": … }`, or the text "yes" or "no".
 */
export function plannerPayload(message: Message, { user, contextId }: A2ACaller, pause?: PauseTicket): unknown {
  const value = valueOf(message.parts);
  const who = user === undefined ? {} : { user };
  if (pause === undefined) return { prompt: promptOf(value), thread: contextId, ...who };
  const asked = askedBy(pause);
  // a flow below the planner asks for the value alone
  if (asked === undefined) return value;
  return { decision: decisionOf(asked, value), by: user ?? "an anonymous caller", ...who };
}

function promptOf(value: unknown): string {
  const { prompt = value } = (typeof value === "object" && value !== null ? value : {}) as {
    readonly prompt?: unknown;
  };
  return typeof prompt === "string" ? prompt : JSON.stringify(prompt);
}

function askedBy({ payload }: PauseTicket): Asked | undefined {
  const isAsked = typeof payload === "object" && payload !== null && "callId" in payload && "kind" in payload;
  return isAsked ? (payload as unknown as Asked) : undefined;
}

/** Returns a decision. One that cannot be read is no approval: the planner refuses it and asks again. */
function decisionOf({ kind }: Asked, value: unknown): unknown {
  if (kind !== "approval") return { value: kind === "sign-in" ? null : value };
  if (typeof value === "string") {
    const word = value.trim().toLowerCase();
    return word === "yes" || word === "no" ? { approved: word === "yes" } : { value };
  }
  const { approved, args, reason } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (approved === true) return { approved, ...(args !== undefined && { args }) };
  if (approved === false) return { approved, ...(typeof reason === "string" && { reason }) };
  return { value };
}
