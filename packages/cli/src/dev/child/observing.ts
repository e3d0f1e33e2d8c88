import type { ObservedModelCall } from "@penguiflow/planner";
import type { FlowEvent, FlowRun, ObservedChunk, ObservedRecord, ObservedRun } from "penguiflow";
import { chunkFact, eventFact, modelFact, type Observer, recordFact } from "./observe.ts";
import type { Outbox } from "./outbox.ts";
import type { PauseLister } from "./pause-lister.ts";
import type { ShownFlows } from "./shown-flows.ts";

/** Events after which the open pauses of a flow may be others. */
const OF_PAUSES: ReadonlySet<string> = new Set(["node_pause", "trace_pause", "node_resume", "trace_end"]);

/** Tells what the flows of this process do. */
export class Observing implements Observer {
  readonly #flows: ShownFlows;
  readonly #outbox: Outbox;
  readonly #pauses: PauseLister;
  readonly #onNew: () => void;
  /** Flow of each run in flight: a model call names its run alone. */
  readonly #flowOf = new Map<string, string>();
  /** Runs that began before the project's exports were known; `undefined` once they are. */
  #early: FlowRun<never, unknown>[] | undefined = [];

  /** @param onNew - called when there is another flow to be shown */
  constructor(flows: ShownFlows, outbox: Outbox, pauses: PauseLister, onNew: () => void) {
    this.#flows = flows;
    this.#outbox = outbox;
    this.#pauses = pauses;
    this.#onNew = onNew;
  }

  /** Shows the flows that the project has run already, and does not export. */
  exportsAreKnown(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const run of early) if (run.isRunning) this.#show(run);
  }

  onRun({ type, run }: ObservedRun): void {
    if (type === "ended") return;
    if (this.#early !== undefined) this.#early.push(run);
    else if (this.#show(run)) this.#onNew();
  }

  onEvent(event: FlowEvent): void {
    const { root } = this.#flows.placeOf(event.flow);
    this.tell(root, event.traceId, event.tenant, eventFact(event));
    const running = OF_PAUSES.has(event.type) ? this.#flows.find(root) : undefined;
    if (running === undefined) return;
    if (event.type === "node_resume") running.resumedRun(event.traceId);
    if (event.type !== "trace_end" || this.#pauses.knows(root)) this.#pauses.look(running);
  }

  onRecord(observed: ObservedRecord): void {
    const { root, path } = this.#flows.placeOf(observed.flow);
    const { traceId, tenant } = observed.record;
    if (observed.record.type === "accepted" && path.length === 0)
      this.#flowOf.set(JSON.stringify([traceId, tenant]), root);
    if (observed.record.type === "ended" && path.length === 0) this.#flowOf.delete(JSON.stringify([traceId, tenant]));
    this.tell(root, traceId, tenant, recordFact(observed, path));
  }

  onChunk(observed: ObservedChunk): void {
    const { root, path } = this.#flows.placeOf(observed.flow);
    const { traceId, tenant } = observed.chunk;
    this.tell(root, traceId, tenant, chunkFact(observed, path));
  }

  onModelCall(call: ObservedModelCall): void {
    const flow = this.#flowOf.get(JSON.stringify([call.runId, call.tenant]));
    if (flow !== undefined) this.tell(flow, call.runId, call.tenant, modelFact(call));
  }

  /** Tells a fact of a run, given as JSON. */
  tell(flow: string, runId: string, tenant: string, fact: string): void {
    const place = JSON.stringify({ flow, runId, tenant });
    this.#outbox.add(flow, `${place.slice(0, -1)},${fact.slice(1)}`);
  }

  #show(run: FlowRun<never, unknown>): boolean {
    if (this.#flows.all.some((running) => running.runsGraph(run.graph))) return false;
    this.#flows.add({ name: run.name, exported: undefined, flow: run, planner: undefined, options: {} });
    return true;
  }
}
