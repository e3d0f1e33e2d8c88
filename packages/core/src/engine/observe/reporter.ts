import type { AsyncScope } from "../../foundation/async-scope.ts";
import { errorPayload } from "../../foundation/flow-error.ts";
import { freezeOutsideProduction } from "../../foundation/freeze.ts";
import { lineageText } from "../../foundation/lineage.ts";
import { refusedData } from "../../events/app-event.ts";
import { Outlet } from "../../events/outlet.ts";
import type {
  EventBase,
  FlowEvent,
  Middleware,
  NodeEventBase,
  NodeStartEvent,
  NodeSuccessEvent,
} from "../../events/flow-event.ts";
import { ROOKERY } from "../../graph/endpoints.ts";
import { type Message, withoutPrincipal } from "../../message/message.ts";
import { EMPTY_META, freezeData } from "../../message/meta.ts";
import type { BusEnvelope, MessageBus } from "../../ports/message-bus.ts";
import type { RemoteBinding, StateStore, StoredEvent } from "../../ports/state-store.ts";
import type { RecordedOutput, RecordPlace } from "../../ports/trace-recorder.ts";
import type { Trace } from "../state/trace.ts";
import type { Attempt } from "../state/attempt.ts";
import type { Clock, Moment } from "../../foundation/clock.ts";
import type { Logger } from "../../events/logger.ts";
import type { SafeProbe } from "./safe-probe.ts";

type EventDetails<Event> = Event extends FlowEvent ? Omit<Event, keyof EventBase> : never;
type NodeDetails<Event> = Event extends { readonly node: string; readonly attempt: number }
  ? Omit<Event, keyof NodeEventBase>
  : never;

/** Flow options that name the observers of events. */
interface ReporterOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly homeScope: AsyncScope;
  readonly limits: { readonly observerBuffer: number };
  readonly stateStore: StateStore | undefined;
  readonly messageBus: MessageBus | undefined;
}

/** Delivers events to middlewares, the state store and the message bus. Builds an event only if there is a listener. */
export class Reporter {
  /** Whether any observer receives events. */
  readonly hasListeners: boolean;
  /** Number of what was reported last, shared between playbooks and their parent. */
  readonly seq: { last: number };
  readonly #options: ReporterOptions;
  /** Outlets by middleware, in the order in which they were added. */
  readonly #outlets: Map<Middleware, Outlet<FlowEvent>>;
  /** The outlets as a list, since iterating a map for each event is slower. */
  readonly #listeners: readonly Outlet<FlowEvent>[];
  readonly #store: Outlet<StoredEvent> | undefined;
  readonly #bindings: Outlet<RemoteBinding> | undefined;
  readonly #bus: Outlet<BusEnvelope> | undefined;
  readonly #probe: SafeProbe | undefined;

  /**
   * Creates the outlets of one run.
   *
   * @param stored - in a durable flow, resolves when everything so far is stored
   * @param parent - reporter of the parent run, for a playbook; both runs share its outlets, so observers see one order
   */
  constructor(
    options: ReporterOptions,
    middlewares: readonly Middleware[],
    probe: SafeProbe | undefined,
    stored: (() => Promise<void>) | undefined,
    parent?: Reporter,
  ) {
    this.#options = options;
    this.#probe = probe;
    this.seq = parent === undefined ? { last: 0 } : parent.seq;
    const { logger, homeScope, stateStore, messageBus } = options;
    const { observerBuffer } = options.limits;
    this.#outlets = new Map(parent === undefined ? [] : parent.#outlets);
    for (const middleware of middlewares) {
      if (this.#outlets.has(middleware)) continue;
      const outlet: Outlet<FlowEvent> = new Outlet(
        homeScope,
        observerBuffer,
        (batch) =>
          deliverEach(batch, middleware, (error, event) => {
            outlet.failed += 1;
            logger.warn("middleware_failed", { event: event.type, flow: event.flow, error: errorPayload(error) });
          }),
        () => {},
      );
      this.#outlets.set(middleware, outlet);
    }
    this.#listeners = [...this.#outlets.values()];
    this.#store = parent === undefined ? undefined : parent.#store;
    this.#bindings = parent === undefined ? undefined : parent.#bindings;
    this.#bus = parent === undefined ? undefined : parent.#bus;
    if (this.#store === undefined && stateStore !== undefined) {
      this.#store = new Outlet(
        homeScope,
        observerBuffer,
        (batch) => stateStore.saveEvents(batch),
        (error, batch) =>
          logger.error("state_store_save_failed", {
            events: batch.map((event) => event.kind),
            error: errorPayload(error),
          }),
      );
    }
    if (this.#bindings === undefined && stateStore !== undefined) {
      this.#bindings = new Outlet(
        homeScope,
        observerBuffer,
        (batch) =>
          deliverEach(
            batch,
            (binding) => stateStore.saveRemoteBinding(binding),
            (error, { agentUrl, taskId }) =>
              logger.error("remote_binding_save_failed", { agentUrl, taskId, error: errorPayload(error) }),
          ),
        () => {},
      );
    }
    if (this.#bus === undefined && messageBus !== undefined) {
      this.#bus = new Outlet(
        homeScope,
        observerBuffer,
        async (batch) => {
          // publishing before the state is stored would announce messages that a crash undoes
          await stored?.();
          await messageBus.publish(batch);
        },
        (error, batch) =>
          logger.error("message_bus_publish_failed", {
            edges: batch.map((envelope) => envelope.edge),
            error: errorPayload(error),
          }),
      );
    }
    this.hasListeners = this.#outlets.size > 0 || this.#store !== undefined || probe !== undefined;
  }

  get hasBus(): boolean {
    return this.#bus !== undefined;
  }

  /** Reports an event of a trace. Call it only if {@link Reporter.hasListeners}. */
  trace(trace: Trace, details: EventDetails<FlowEvent>): void {
    this.#send(
      {
        ...details,
        at: this.#options.clock.epochNow(),
        flow: this.#options.name,
        traceId: trace.id,
        tenant: trace.tenant,
        seq: this.#next(),
      },
      trace,
    );
  }

  /** Reports an event of an attempt. Call it only if {@link Reporter.hasListeners}. */
  node(attempt: Attempt, details: NodeDetails<FlowEvent>): void {
    const { worker, trace } = attempt;
    this.#send(
      {
        ...details,
        at: this.#options.clock.epochNow(),
        flow: this.#options.name,
        traceId: trace.id,
        tenant: trace.tenant,
        seq: this.#next(),
        node: worker.name,
        lineage: lineageText(attempt.high, attempt.low),
        from: attempt.from,
        attempt: attempt.attempt,
        queueDepth: worker.queued,
        inflight: worker.running,
      },
      trace,
      attempt,
    );
  }

  /** Reports that a handler is about to be called. Call it only if {@link Reporter.hasListeners}. */
  started(attempt: Attempt): void {
    const { worker, trace } = attempt;
    const queuedAt = attempt.extras?.queuedAt;
    const { now, epoch } = attempt.started as Moment;
    // every hop has a start and a success event: spreading `details` into them would take longer than the hop itself
    const event: NodeStartEvent = {
      type: "node_start",
      queueMs: queuedAt === undefined ? 0 : now - queuedAt,
      at: epoch,
      flow: this.#options.name,
      traceId: trace.id,
      tenant: trace.tenant,
      seq: this.#next(),
      node: worker.name,
      lineage: lineageText(attempt.high, attempt.low),
      from: attempt.from,
      attempt: attempt.attempt,
      queueDepth: worker.queued,
      inflight: worker.running,
    };
    this.#send(event, trace, attempt);
  }

  /**
   * Reports that an attempt has succeeded.
   *
   * @param moment - time of the success
   * @param isHandedOn - whether its message starts at the next node in the same turn
   */
  succeeded(attempt: Attempt, { now, epoch }: Moment, isHandedOn = false): void {
    const { worker, trace, extras } = attempt;
    const queuedAt = extras?.queuedAt;
    const returnedAt = extras?.returnedAt ?? now;
    const startedAt = attempt.started?.now ?? now;
    if (worker.node.kind === "router" && attempt.outputs === 0 && !isHandedOn) {
      this.node(attempt, { type: "route_drop", reason: "the router chose no successor" });
    }
    const event: NodeSuccessEvent = {
      type: "node_success",
      queueMs: queuedAt === undefined ? 0 : startedAt - queuedAt,
      runMs: returnedAt - startedAt,
      emitMs: now - returnedAt,
      latencyMs: now - startedAt,
      at: epoch,
      flow: this.#options.name,
      traceId: trace.id,
      tenant: trace.tenant,
      seq: this.#next(),
      node: worker.name,
      lineage: lineageText(attempt.high, attempt.low),
      from: attempt.from,
      attempt: attempt.attempt,
      queueDepth: worker.queued,
      inflight: worker.running,
    };
    this.#send(event, trace, attempt);
  }

  /**
   * Reports a program's own event to the observers and the bus. Refused data is logged: an error would make the outcome
   * of a handler depend on whether it is observed.
   */
  tell(attempt: Attempt, type: string, data: unknown): void {
    if (!this.hasListeners && this.#bus === undefined) return;
    const { worker, trace } = attempt;
    const { name: flow, logger, clock } = this.#options;
    const { id: traceId, tenant } = trace;
    const problem = refusedData(type, data);
    if (problem !== undefined) {
      logger.warn("event_refused", { event: type, flow, traceId, tenant, node: worker.name, problem });
      return;
    }
    const frozen = freezeData(data);
    const content = frozen === undefined ? { type } : { type, data: frozen };
    // the types of a program's own events are declared by the program, and unknown here
    if (this.hasListeners) this.node(attempt, content as unknown as NodeDetails<FlowEvent>);
    this.#bus?.push({
      version: 1,
      edge: `${worker.name}->${type}`,
      source: worker.name,
      target: type,
      event: type,
      flow,
      traceId,
      tenant,
      headers: withoutPrincipal(trace.headers),
      payload: frozen,
      meta: EMPTY_META,
      at: clock.epochNow(),
    });
  }

  /** Stores the binding between a trace and its remote task. */
  bind(binding: RemoteBinding): void {
    this.#bindings?.push(binding);
  }

  /** Publishes a message that an edge has accepted to the bus. */
  publish(trace: Trace, source: string, target: string, message: Message): void {
    this.#bus?.push({
      version: 1,
      edge: `${source}->${target}`,
      source,
      target,
      flow: this.#options.name,
      traceId: trace.id,
      tenant: trace.tenant,
      headers: withoutPrincipal(message.headers),
      payload: message.payload,
      meta: message.meta,
      at: this.#options.clock.epochNow(),
    });
  }

  /** Resolves when every event so far has been delivered or has failed. */
  async flush(): Promise<void> {
    const all = [...this.#listeners, this.#store, this.#bindings, this.#bus];
    await Promise.all(all.flatMap((outlet) => (outlet === undefined ? [] : [outlet.flush()])));
  }

  /** Flushes the state store alone, so that another observer that hangs cannot delay it. */
  async flushStore(): Promise<void> {
    await this.#store?.flush();
  }

  get stats(): ObserverStats {
    const count = (outlet: Pick<Outlet<unknown>, "dropped" | "failed" | "pending"> | undefined) => ({
      dropped: outlet?.dropped ?? 0,
      failed: outlet?.failed ?? 0,
      pending: outlet?.pending ?? 0,
    });
    return {
      middlewares: this.#listeners.map(count),
      stateStore: count(this.#store),
      messageBus: count(this.#bus),
    };
  }

  #next(): number {
    return (this.seq.last += 1);
  }

  #send(event: FlowEvent, trace: Trace, attempt?: Attempt): void {
    freezeOutsideProduction(event);
    this.#probe?.event(event, trace, attempt);
    for (const outlet of this.#listeners) outlet.push(event);
    this.#store?.push({
      tenant: event.tenant,
      traceId: event.traceId,
      kind: event.type,
      at: event.at,
      node: "node" in event ? event.node : undefined,
      payload: event as unknown as Readonly<Record<string, unknown>>,
    });
  }
}

/** Backlog of one observer. */
export interface ObserverCount {
  /** Items dropped because the buffer was full. */
  readonly dropped: number;
  /** Failed deliveries. */
  readonly failed: number;
  readonly pending: number;
}

/** Backlogs of a flow's observers. */
export interface ObserverStats {
  /** Backlogs of the middlewares, in the order in which they were added. */
  readonly middlewares: readonly ObserverCount[];
  readonly stateStore: ObserverCount;
  readonly messageBus: ObserverCount;
}

async function deliverEach<Item>(
  batch: readonly Item[],
  deliver: (item: Item) => unknown,
  onFailure: (error: unknown, item: Item) => void,
): Promise<void> {
  for (const item of batch) {
    try {
      const done = deliver(item);
      // a middleware may return a thenable that is not a native promise
      if (typeof done === "object" && done !== null && "then" in done) await (done as PromiseLike<unknown>);
    } catch (error) {
      onFailure(error, item);
    }
  }
}

/** Returns the position of a record's message. */
export function placeOf(attempt: Attempt): RecordPlace {
  const { run, traceId, tenant } = runOf(attempt.trace);
  return { run, traceId, tenant, node: attempt.worker.name, lineage: attempt.lineage };
}

/** Returns the trace that a record belongs to. */
export function runOf(trace: Trace): { readonly run: string; readonly traceId: string; readonly tenant: string } {
  return { run: trace.runText, traceId: trace.id, tenant: trace.tenant };
}

/** Converts an output for a record. */
export function outputTo(target: Attempt): RecordedOutput {
  return { node: target.worker.name, lineage: target.lineage, message: target.message };
}

/** Converts a result for a record. */
export function resultOutput(message: Message, high: number, low: number): RecordedOutput {
  return { node: ROOKERY, lineage: lineageText(high, low), message };
}
