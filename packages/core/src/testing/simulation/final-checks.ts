import type { FinalOutcome } from "../../message/outcome.ts";
import { ROOKERY } from "../../graph/endpoints.ts";
import type { BusEnvelope } from "../../ports/message-bus.ts";
import { brokenCheckpoints } from "../laws/checkpoint-laws.ts";
import { lawShapeOf, UNKNOWN_SHAPE } from "../laws/graph-law-shape.ts";
import { brokenIntake } from "../laws/intake-laws.ts";
import { brokenLaws, type LawShape } from "../laws/record-laws.ts";
import { brokenSignals } from "../laws/signal-laws.ts";
import { brokenTurns } from "../laws/turn-laws.ts";
import type { Callers } from "./callers.ts";
import { add } from "./odds.ts";
import { errorOf, isToldOf, keyOf, nameOf, type Request, TENANTS } from "./request.ts";
import type { SimulatedRequest } from "./simulate-options.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

/** Facts that a run has noted for the checks after its end. */
export interface Seen {
  readonly envelopes: readonly BusEnvelope[];
  /** Attempts that have chosen their messages' targets. */
  readonly choosers: ReadonlySet<string>;
  /** Number of requests by status. */
  readonly outcomes: Map<string, number>;
}

/** Checks of the laws on the whole history of a run that has ended. */
export class FinalChecks {
  readonly #world: SimulatedWorld;
  readonly #callers: Callers;
  readonly #seen: Seen;

  constructor(world: SimulatedWorld, callers: Callers, seen: Seen) {
    this.#world = world;
    this.#callers = callers;
    this.#seen = seen;
  }

  /** Checks everything, the user's own check last, and only of a run that breaks no law. */
  async check(): Promise<void> {
    this.#checkRecords();
    this.#checkTenants();
    if (this.#world.checkpoints.isUsed) await this.#checkCheckpoints();
    if (this.#world.broken.length === 0) await this.#checkByUser();
  }

  /** Returns the run of each request: the first with its id and tenant; later ones belong to its playbooks. */
  #runs(): Map<string, Request> {
    const first = new Map<string, number>();
    const accepted = new Set(this.#world.storedKeys("accepted"));
    for (const record of this.#world.history) {
      if (record.type === "restart") continue;
      const { run } = record;
      // a request that ended before it was accepted may have been sent again
      if (record.type !== "accepted" && accepted.has(keyOf(record.tenant, record.traceId))) continue;
      const key = keyOf(record.tenant, record.traceId);
      first.set(key, Math.min(first.get(key) ?? Number.POSITIVE_INFINITY, Number.parseInt(run, 36)));
    }
    return new Map(this.#callers.requests.map((request) => [(first.get(request.key) ?? -1).toString(36), request]));
  }

  #checkRecords(): void {
    const runs = this.#runs();
    const shape = lawShapeOf(this.#world.flow.graph, this.#seen.choosers, TENANTS);
    const shapeOf = (run: string): LawShape => (runs.has(run) ? shape : UNKNOWN_SHAPE);
    const [first, { records, events }] = [this.#world.processes[0] as SimulatedProcess, this.#world.process];
    // in a process that continues stored work, waiting times are unknown
    this.#world.broken.push(...brokenLaws(this.#world.history, shapeOf), ...brokenTurns(first.records, shapeOf));
    this.#world.broken.push(...brokenSignals(this.#world.history, this.#world.checkpoints.isUsed));
    const dropped = new Map<string, number>();
    for (const record of records)
      if (record.type === "dropped") add(dropped, `${record.node} of "${record.traceId}" of ${record.tenant}`, 1);
    for (const event of events)
      if (event.type === "message_drop" || event.type === "deadline_skip")
        add(dropped, `${event.node} of "${event.traceId}" of ${event.tenant}`, -1);
    for (const [place, left] of dropped)
      if (left > 0) this.#world.broken.push(`L1: ${left} messages were dropped at ${place} without an event`);
  }

  /** Checks L11: each observer of a request sees it under the request's tenant. */
  #checkTenants(): void {
    const known = new Set(this.#callers.requests.map(({ key }) => key));
    const told = this.#world.processes.flatMap(({ events, records }) => [...events, ...records]);
    for (const { tenant, traceId } of [...told, ...this.#seen.envelopes])
      if (!known.has(keyOf(tenant, traceId)))
        this.#world.broken.push(`L11: something is told of request "${traceId}" of ${tenant}, which there is not`);
    for (const { tenant, headers, edge } of this.#seen.envelopes)
      if (tenant !== headers.tenant)
        this.#world.broken.push(`L11: a message of ${headers.tenant} goes over ${edge} for ${tenant}`);
  }

  async #checkCheckpoints(): Promise<void> {
    const runs = this.#runs();
    const known = new Set(
      this.#world.history.flatMap((record) => ("run" in record ? Number.parseInt(record.run, 36) : [])),
    );
    const stored = await this.#world.checkpoints.read(known);
    this.#world.broken.push(...brokenCheckpoints(this.#world.history, new Set(runs.keys()), stored));
    if (this.#world.hasIntake) this.#checkIntake(stored.consumed);
    const accepted = new Set(this.#world.storedKeys("accepted"));
    for (const record of this.#world.history) {
      const request = record.type === "ended" ? runs.get(record.run) : undefined;
      // a request that was never accepted may have been sent, and have ended, in several processes
      if (record.type !== "ended" || request?.told === undefined || !accepted.has(request.key)) continue;
      const { told } = request;
      const { outcome, traceId, tenant } = record;
      const isSame = isToldOf(told, outcome) || this.#earlier(request).some((earlier) => isToldOf(told, earlier));
      if (!isSame)
        this.#world.broken.push(
          `L10: request "${traceId}" of ${tenant} is ${outcome.status}, and its caller was told ${told.status ?? told.error?.code}`,
        );
    }
  }

  /** Returns the outcomes of the traces with a request's id that ended before they were accepted: it was free again. */
  #earlier({ ofId, key }: Request): FinalOutcome[] {
    if (ofId === undefined) return [];
    const accepted = new Set(this.#world.history.flatMap((record) => (record.type === "accepted" ? [record.run] : [])));
    return this.#world.allRecords.flatMap((record) => {
      if (record.type !== "ended" || keyOf(record.tenant, record.traceId) !== key) return [];
      return accepted.has(record.run) ? [] : [record.outcome];
    });
  }

  #checkIntake(consumed: ReadonlyMap<number, number>): void {
    const offered = this.#callers.requests.filter(({ isOffered, hasBegun }) => isOffered && hasBegun);
    const entries = this.#world.flow.graph.vertices.filter(({ isIngress }) => isIngress).map(({ node }) => node.name);
    this.#world.broken.push(
      ...brokenIntake(this.#world.history, {
        requests: offered.map((request) => ({
          name: nameOf(request),
          tenant: request.tenant,
          traceId: request.traceId,
          input: request.message.payload,
          delivered: this.#callers.intake.delivered.get(request) ?? [],
        })),
        left: this.#callers.intake
          .after(consumed)
          .map(({ request, lane, sequence }) => `item ${sequence} of lane ${lane}, ${nameOf(request)},`),
        entries: new Set(entries),
      }),
    );
  }

  async #checkByUser(): Promise<void> {
    const outcomes = new Map<string, FinalOutcome>();
    const results = new Map<string, unknown[]>();
    for (const record of this.#world.history) {
      if (record.type === "ended") outcomes.set(record.run, record.outcome);
      if (record.type !== "emitted" && record.type !== "committed") continue;
      const reached = record.outputs.filter(({ node }) => node === ROOKERY).map(({ message }) => message.payload);
      results.set(record.run, [...(results.get(record.run) ?? []), ...reached]);
    }
    const requests: SimulatedRequest<unknown, unknown>[] = [];
    for (const [run, { message, tenant, traceId }] of this.#runs()) {
      const outcome = outcomes.get(run);
      if (outcome === undefined) continue;
      const { status } = outcome;
      add(this.#seen.outcomes, status, 1);
      const error = errorOf(outcome);
      requests.push({ input: message.payload, tenant, traceId, status, results: results.get(run) ?? [], error });
    }
    try {
      await this.#world.options.check?.(requests);
    } catch (error) {
      this.#world.broken.push(`Your check: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
