import { type FlowEvent, type Logger, logFlowEvents, type Middleware } from "penguiflow";
import type { Fallback } from "../retrieval/fallback.ts";
import { saltedDigest } from "../text/digest.ts";
import type { BusinessEvent } from "./business-event.ts";
import { Figures, type Sample } from "./figures.ts";

/** Observers of the service. */
export interface TelemetryOptions {
  /** Receives a line for every failure, with its causes. @defaultValue none */
  readonly logger?: Logger | undefined;
  /** Receives business events after their flow has completed: for MLflow, a warehouse, an audit. @defaultValue none */
  readonly onBusinessEvent?: ((event: BusinessEvent) => void) | undefined;
  /** Secret of the digests in business events. @defaultValue a random one per process */
  readonly salt?: string | undefined;
}

const FAILURES = ["node_error", "node_timeout", "node_failed", "node_fallback"] as const;

/** Watches all flows of the service: failures with their causes, times of stages, business events. */
export class Telemetry {
  readonly #figures = new Figures();
  readonly #salt: string;
  readonly #onBusinessEvent: ((event: BusinessEvent) => void) | undefined;
  readonly #logger: Logger | undefined;

  constructor({ logger, onBusinessEvent, salt = crypto.randomUUID() }: TelemetryOptions = {}) {
    this.#logger = logger;
    this.#onBusinessEvent = onBusinessEvent;
    this.#salt = salt;
  }

  /** Returns the middlewares for a flow, to be added before it runs. */
  middlewares(): Middleware[] {
    const logged = this.#logger === undefined ? [] : [logFlowEvents(this.#logger, { types: FAILURES })];
    return [...logged, (event) => this.#record(event)];
  }

  /** Returns a digest of a name or id. */
  hash(text: string): string {
    return saltedDigest(this.#salt, text);
  }

  /** Tells business events, once their flow has completed. A listener that throws is logged. */
  tell(events: readonly BusinessEvent[]): void {
    for (const event of events) {
      this.#figures.count("memory_events_total", { event: event.event });
      try {
        this.#onBusinessEvent?.(event);
      } catch (error) {
        this.#logger?.error("business_event_listener_failed", { event: event.event, error });
      }
    }
  }

  /** Counts a stage that took its second way. */
  fellBack({ stage, reason }: Fallback): void {
    this.#figures.count("memory_fallback_total", { stage, reason });
  }

  /** Returns the figures so far, in the form of Prometheus. */
  samples(): readonly Sample[] {
    return this.#figures.samples();
  }

  #record(event: FlowEvent): void {
    if (event.type === "node_success")
      this.#figures.observe("memory_stage_ms", event.latencyMs, { flow: event.flow, stage: event.node });
    else if (event.type === "node_error" || event.type === "node_timeout")
      this.#figures.count("memory_stage_failures_total", { flow: event.flow, stage: event.node });
    else if (event.type === "trace_end") {
      this.#figures.count("memory_requests_total", { flow: event.flow, status: event.status });
      this.#figures.observe("memory_request_ms", event.durationMs, { flow: event.flow });
    }
  }
}
