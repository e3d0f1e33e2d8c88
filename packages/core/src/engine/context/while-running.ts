import { detached } from "../../foundation/detached.ts";
import { type Attempt, State } from "../state/attempt.ts";

/** Performs an operation of a handler. Rejects when the handler is not running, and with what the operation throws. */
export function whileRunning<Value>(attempt: Attempt, what: string, act: () => Promise<Value>): Promise<Value> {
  if (attempt.state !== State.RUNNING) return detached(Promise.reject(attempt.refusal(what)));
  try {
    return act();
  } catch (error) {
    return Promise.reject(error);
  }
}
