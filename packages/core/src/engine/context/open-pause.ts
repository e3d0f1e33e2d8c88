import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { PauseTicket } from "../../message/outcome.ts";
import type { Pause, Trace } from "../state/trace.ts";
import { idOf } from "./pause-token.ts";

/** Whether it is a pause that can be answered: its message was parked for it, so that it is stored. */
export function isOpenPause({ token, hasBegun, answer }: Pause): boolean {
  return token !== undefined && hasBegun && answer === undefined;
}

/** Returns what a caller needs to answer a pause. */
export function ticketOf({ token, node, path, name, reason, payload, expiresAt, resumeSchema }: Pause): PauseTicket {
  const place = { node, path, name: name ?? reason, reason, payload, expiresAt };
  return { id: idOf(token as string), token: token as string, ...place, resumeSchema };
}

/** Returns the open pauses of a trace. */
export function ticketsOf(trace: Trace): PauseTicket[] {
  return [...(trace.lasting?.pauses.values() ?? [])].filter(isOpenPause).map(ticketOf);
}

/** Returns the error of a pause that was not answered in time. */
export function expiredError(pause: Pause, trace: Trace): FlowError {
  const until = new Date(pause.expiresAt as number).toISOString();
  return new FlowError({
    code: FlowErrorCode.PAUSE_EXPIRED,
    message: `Nobody answered "${pause.reason}" (node "${pause.node}") until ${until}`,
    traceId: trace.id,
    tenant: trace.tenant,
    node: pause.node,
  });
}

/** Stops the timer of a pause. */
export function disarm(pause: Pause): void {
  pause.timer?.cancel();
  pause.timer = undefined;
}
