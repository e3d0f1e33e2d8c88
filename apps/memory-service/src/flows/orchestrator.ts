import {
  type Flow,
  FlowError,
  type FlowErrorCode,
  type GraphJson,
  graphToJson,
  Message,
  type ModelRegistry,
} from "penguiflow";
import { MemoryError, type MemoryErrorCode } from "../memory-error.ts";
import type { CheckedPrincipal } from "../principal.ts";
import { businessEventsOf } from "../telemetry/business-event.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";

/** A flow and the schemas of its stages, as the factories of `flows/` make them; tests read its nodes, too. */
export interface FlowBundle<in Request, out Response> {
  readonly flow: Flow<Request, Response>;
  readonly registry: ModelRegistry;
}

/** Limits of one request. */
export interface ExecuteOptions {
  readonly signal?: AbortSignal | undefined;
  readonly traceId?: string | undefined;
  /** Milliseconds. @defaultValue limit `requestMs` */
  readonly timeoutMs?: number | undefined;
}

/**
 * Runs a flow for the life of the service: started once, stopped once. Each request is a trace of the principal's
 * tenant; failures become {@link MemoryError}s, and business events are told once the trace has completed.
 */
export class Orchestrator<Request extends { readonly principal: CheckedPrincipal }, Response> {
  readonly #flow: Flow<Request, Response>;
  readonly #telemetry: Telemetry;
  readonly #timeoutMs: number;

  constructor({ flow, registry }: FlowBundle<Request, Response>, telemetry: Telemetry, timeoutMs: number) {
    this.#flow = flow;
    this.#telemetry = telemetry;
    this.#timeoutMs = timeoutMs;
    // observers are fixed once the flow runs
    for (const middleware of telemetry.middlewares()) flow.addMiddleware(middleware);
    flow.run({ registry });
  }

  /** @throws MemoryError */
  async execute(
    payload: Request,
    { signal, traceId, timeoutMs = this.#timeoutMs }: ExecuteOptions = {},
  ): Promise<Response> {
    const { tenant } = payload.principal;
    const message = new Message({ payload, headers: { tenant, topic: this.#flow.name }, traceId });
    const { counts } = this.#telemetry;
    counts.begin(this.#flow.name, message.traceId, payload.principal);
    const outcome = await this.#flow.outcome(message, { timeoutMs, signal }).catch((error: unknown) => {
      counts.end(this.#flow.name, message.traceId, false);
      throw failureOf(error);
    });
    if (outcome.status !== "completed") throw failureOf(outcome.error);
    const [answer] = outcome.messages;
    this.#telemetry.tell(businessEventsOf(answer?.meta ?? {}));
    return outcome.result;
  }

  /** Returns the graph as plain data. */
  get graph(): GraphJson {
    return graphToJson(this.#flow);
  }

  /** Name of the flow. */
  get name(): string {
    return this.#flow.name;
  }

  /** Lets requests under way finish within `drainMs`, then stops the flow. */
  async stop(drainMs: number): Promise<void> {
    await this.#flow.stop({ drainMs });
  }
}

/** Returns the error of the service's own vocabulary for a flow's failure. */
function failureOf(error: unknown): MemoryError {
  if (!(error instanceof FlowError)) return new MemoryError("INTERNAL", "The service failed", { cause: error });
  const own = error.unwrap();
  if (own instanceof MemoryError) return own;
  const [code, message] = FAILURES[error.code] ?? ["INTERNAL", "The service failed"];
  return new MemoryError(code, message, { cause: error });
}

const TOO_LONG = ["DEADLINE", "The request took too long"] as const;
const STOPPED = ["STOPPED", "The service is shutting down"] as const;

/** Errors by the code of the flow's; others are internal. */
const FAILURES: Partial<Record<FlowErrorCode, readonly [MemoryErrorCode, string]>> = {
  DEADLINE_EXCEEDED: TOO_LONG,
  NODE_TIMEOUT: TOO_LONG,
  TRACE_CANCELLED: ["CANCELLED", "The request was cancelled"],
  FLOW_STOPPED: STOPPED,
  FLOW_NOT_RUNNING: STOPPED,
};
