import type { Attributes, BatchObservableResult, Counter, Histogram, Meter, Observable } from "@opentelemetry/api";
import type {
  FlowEvent,
  FlowEventType,
  InstrumentedRun,
  NodeErrorEvent,
  NodeSuccessEvent,
  NodeTimeoutEvent,
  TraceEndEvent,
} from "penguiflow";
import { ERROR_TYPE, Messaging, Metric, Own } from "./conventions.ts";
import { isRemoteEnd, type RemoteEnd, remoteStateOf } from "./remote-events.ts";
import { isFailure } from "./span-writer.ts";

/** Bounds in seconds, from a hop within a turn to a slow model. */
const BOUNDS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Events of dropped messages and results. */
const DROPS: ReadonlySet<FlowEventType> = new Set([
  "message_drop",
  "deadline_skip",
  "route_drop",
  "result_drop",
  "node_late",
]);

/** Metrics of all flows. Attributes have few values: flow, node, outcome, error code. */
export class Metrics {
  readonly process: Histogram;
  readonly queue: Histogram;
  readonly run: Histogram;
  readonly emit: Histogram;
  readonly trace: Histogram;
  readonly outcomes: Counter;
  readonly retries: Counter;
  readonly drops: Counter;
  readonly remote: Histogram;
  /** Runs whose levels are read when metrics are collected. */
  readonly runs = new Set<InstrumentedRun>();

  constructor(meter: Meter) {
    const seconds = (name: string, description: string): Histogram =>
      meter.createHistogram(name, { description, unit: "s", advice: { explicitBucketBoundaries: BOUNDS } });
    const count = (name: string, unit: string, description: string): Counter =>
      meter.createCounter(name, { description, unit });
    const level = (name: string, unit: string, description: string): Observable =>
      meter.createObservableUpDownCounter(name, { description, unit });
    this.process = seconds(Messaging.PROCESS_DURATION, "From the call of the handler until what it sent was accepted");
    this.queue = seconds(Metric.QUEUE_DURATION, "How long messages waited for the node");
    this.run = seconds(Metric.RUN_DURATION, "How long handlers ran");
    this.emit = seconds(Metric.EMIT_DURATION, "How long it took until what handlers sent was accepted");
    this.trace = seconds(Metric.TRACE_DURATION, "Traces, from their first message to their outcome");
    this.outcomes = count(Metric.TRACE_OUTCOMES, "{trace}", "Traces that ended");
    this.retries = count(Metric.RETRIES, "{attempt}", "Attempts that were to be repeated");
    this.drops = count(Metric.DROPS, "{message}", "Messages and results that nobody will have");
    this.remote = seconds(Metric.REMOTE_DURATION, "Calls of other agents, from the beginning to their answer or end");
    const depth = new Levels(level(Metric.QUEUE_DEPTH, "{message}", "Messages that wait for the node"));
    const inFlight = new Levels(level(Metric.NODE_IN_FLIGHT, "{attempt}", "Slots of the node in use"));
    const traces = new Levels(level(Metric.TRACE_IN_FLIGHT, "{trace}", "Traces under way"));
    const all = [depth, inFlight, traces];
    meter.addBatchObservableCallback(
      (result) => {
        for (const run of this.runs) {
          const { flow } = run;
          const figures = run.stats();
          traces.add(flow, undefined, figures.traces);
          for (const { name, queued, running } of figures.nodes) {
            depth.add(flow, name, queued);
            inFlight.add(flow, name, running);
          }
        }
        for (const levels of all) levels.tell(result);
      },
      all.map(({ observable }) => observable),
    );
  }
}

/**
 * Levels of one metric at one collection, summed over runs of the same name. A series that has disappeared is reported
 * as 0: backends would keep the last value of an absent one.
 */
class Levels {
  readonly observable: Observable;
  readonly #values = new Map<string, { readonly attributes: Attributes; value: number }>();

  constructor(observable: Observable) {
    this.observable = observable;
  }

  add(flow: string, node: string | undefined, value: number): void {
    const key = JSON.stringify([flow, node]);
    const known = this.#values.get(key);
    if (known !== undefined) known.value += value;
    else {
      const attributes = { [Own.FLOW]: flow, ...(node === undefined ? {} : { [Own.NODE]: node }) };
      this.#values.set(key, { attributes, value });
    }
  }

  tell(result: BatchObservableResult): void {
    for (const level of this.#values.values()) {
      result.observe(this.observable, level.value, level.attributes);
      level.value = 0;
    }
  }
}

/** Writes the metrics of one run. */
export class MeterWriter {
  readonly #metrics: Metrics;
  readonly #run: InstrumentedRun;
  readonly #flow: Attributes;
  readonly #nodes = new Map<string, Attributes>();
  readonly #processes = new Map<string, Attributes>();

  constructor(metrics: Metrics, run: InstrumentedRun) {
    this.#metrics = metrics;
    this.#run = run;
    this.#flow = { [Own.FLOW]: run.flow };
    metrics.runs.add(run);
  }

  event(event: FlowEvent): void {
    if (event.type === "node_success") this.#succeeded(event);
    else if (event.type === "node_error" || event.type === "node_timeout") this.#failed(event);
    else if (event.type === "node_retry") this.#metrics.retries.add(1, this.#node(event.node));
    else if (event.type === "trace_end") this.#ended(event);
    else if (isRemoteEnd(event)) this.#remoteEnded(event);
    else if ("node" in event && DROPS.has(event.type))
      this.#metrics.drops.add(1, { ...this.#node(event.node), [Own.REASON]: event.type });
  }

  stop(): void {
    this.#metrics.runs.delete(this.#run);
  }

  #succeeded({ node, queueMs, runMs, emitMs, latencyMs }: NodeSuccessEvent): void {
    const { queue, run, emit, process } = this.#metrics;
    const attributes = this.#node(node);
    queue.record(queueMs / 1000, attributes);
    run.record(runMs / 1000, attributes);
    emit.record(emitMs / 1000, attributes);
    process.record(latencyMs / 1000, this.#processing(node));
  }

  #failed({ node, latencyMs, error }: NodeErrorEvent | NodeTimeoutEvent): void {
    const attributes = { ...this.#processing(node), [ERROR_TYPE]: error.code ?? error.name };
    this.#metrics.process.record(latencyMs / 1000, attributes);
  }

  #ended({ status, durationMs, error }: TraceEndEvent): void {
    const attributes: Attributes = { ...this.#flow, [Own.OUTCOME]: status };
    if (isFailure(status) && error !== undefined) attributes[ERROR_TYPE] = error.code ?? error.name;
    this.#metrics.outcomes.add(1, attributes);
    this.#metrics.trace.record(durationMs / 1000, attributes);
  }

  #remoteEnded(event: RemoteEnd): void {
    const attributes: Attributes = { ...this.#node(event.node), [Own.REMOTE_STATE]: remoteStateOf(event) };
    if (event.type === "remote_call_error") attributes[ERROR_TYPE] = event.error.code ?? event.error.name;
    this.#metrics.remote.record(event.latencyMs / 1000, attributes);
  }

  #node(name: string): Attributes {
    let attributes = this.#nodes.get(name);
    if (attributes === undefined) this.#nodes.set(name, (attributes = { ...this.#flow, [Own.NODE]: name }));
    return attributes;
  }

  #processing(name: string): Attributes {
    let attributes = this.#processes.get(name);
    if (attributes === undefined) {
      attributes = {
        ...this.#node(name),
        [Messaging.SYSTEM]: Messaging.SYSTEM_VALUE,
        [Messaging.OPERATION_NAME]: Messaging.PROCESS,
        [Messaging.DESTINATION]: `${this.#run.flow}/${name}`,
      };
      this.#processes.set(name, attributes);
    }
    return attributes;
  }
}
