import { shown } from "../../foundation/options.ts";
import type { AppEventInit } from "../../events/flow-event.ts";
import type { FallbackContext, OnceOptions, TraceBudget, TraceLog } from "../../graph/handler.ts";
import type { MessageHeaders } from "../../message/message.ts";
import type { Principal } from "../../message/principal.ts";
import type { Attempt } from "../state/attempt.ts";
import { type ContextServices, HandlerContext } from "./handler-context.ts";

/** Context of a policy's `onFailed`: what a handler's offers to a function that neither emits nor pauses. */
export class FallbackHandlerContext implements FallbackContext {
  readonly #attempt: Attempt;
  readonly #whole: HandlerContext;

  constructor(attempt: Attempt, services: ContextServices) {
    this.#attempt = attempt;
    this.#whole = new HandlerContext(attempt, services);
  }

  get node(): string {
    return this.#attempt.node;
  }

  get traceId(): string {
    return this.#whole.traceId;
  }

  get tenant(): string {
    return this.#whole.tenant;
  }

  get principal(): Principal | undefined {
    return this.#whole.principal;
  }

  get headers(): MessageHeaders {
    return this.#whole.headers;
  }

  get attempt(): number {
    return this.#attempt.attempt;
  }

  get signal(): AbortSignal {
    return this.#attempt.signal;
  }

  get deadlineAt(): number | undefined {
    return this.#whole.deadlineAt;
  }

  get resources(): unknown {
    return this.#whole.resources;
  }

  get idempotencyKey(): string {
    return this.#attempt.idempotencyKey;
  }

  get budget(): TraceBudget {
    return this.#whole.budget;
  }

  get log(): TraceLog {
    return this.#whole.log;
  }

  because(reason: string): void {
    this.#attempt.requireRunning("give a reason");
    if (typeof reason !== "string" || reason === "")
      throw new TypeError(`The reason of a fallback must be a string that is not empty: got ${shown(reason)}`);
    this.#attempt.more.because = reason;
  }

  tell(event: AppEventInit): void {
    this.#whole.tell(event);
  }

  sleep(delayMs: number): Promise<void> {
    return this.#whole.sleep(delayMs);
  }

  once<Value>(
    key: string,
    run: (effectKey: string) => Value | Promise<Value>,
    options?: OnceOptions<Value>,
  ): Promise<Value> {
    return this.#whole.once(key, run, options);
  }
}
