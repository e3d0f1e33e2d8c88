import { type FlowEvent, type Logger, logFlowEvents, type Middleware } from "penguiflow";
import type { Fallback } from "../retrieval/fallback.ts";
import { saltedDigest } from "../text/digest.ts";
import type { BusinessEvent } from "./business-event.ts";
import { Figures, type MeasureListener, type Sample } from "./figures.ts";
import { RequestCounts } from "./flow-counts.ts";

/** Observers of the service. */
export interface TelemetryOptions {
  /** Receives a line for every failure, with its causes. @defaultValue none */
  readonly logger?: Logger | undefined;
  /** Receives business events after their flow has completed: for MLflow, a warehouse, an audit. @defaultValue none */
  readonly onBusinessEvent?: ((event: BusinessEvent) => void) | undefined;
  /** Secret of the digests in business events. @defaultValue a random one per process */
  readonly salt?: string | undefined;
}

/** The flow of searches by people, tools and agents. */
const RETRIEVE = "memory.auto_retrieve";
const FAILURES = ["node_error", "node_timeout", "node_failed", "node_fallback"] as const;

/** Watches all flows of the service: failures with their causes, times of stages, business events. */
export class Telemetry {
  /** Counts of each principal's own requests. */
  readonly counts = new RequestCounts();
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
      if (event.event === "memory_event.created") this.#figures.count("memory_ingest_total", {});
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

  /** Tells a listener of what is counted and timed. One that throws is logged. */
  listen(listener: MeasureListener): Disposable {
    return this.#figures.listen((measured) => {
      try {
        listener(measured);
      } catch (error) {
        this.#logger?.error("measure_listener_failed", { name: measured.name, error });
      }
    });
  }

  /** Returns the figures so far, in the form of Prometheus. */
  samples(): readonly Sample[] {
    return this.#figures.samples();
  }

  #record(event: FlowEvent): void {
    this.counts.record(event);
    if (event.type === "node_success") {
      const { flow, node: stage, latencyMs } = event;
      this.#figures.observe("memory_stage_ms", latencyMs, { flow, stage });
      if (flow === RETRIEVE) this.#figures.observe("memory_retrieve_ms", latencyMs, { stage });
    } else if (event.type === "node_error" || event.type === "node_timeout")
      this.#figures.count("memory_stage_failures_total", { flow: event.flow, stage: event.node });
    else if (event.type === "trace_end") {
      this.#figures.count("memory_requests_total", { flow: event.flow, status: event.status });
      this.#figures.observe("memory_request_ms", event.durationMs, { flow: event.flow });
    }
  }
}
