import {
  type BusEnvelope,
  type EmitOptions,
  type Flow,
  FlowError,
  type FlowEvent,
  type FlowOptions,
  type FlowStats,
  type Logger,
  MemoryStateStore,
  type Message,
  type MessageBus,
  type Middleware,
  type Outcome,
  ROOKERY,
  seededRandom,
  type StateStore,
  type TraceRecord,
} from "penguiflow";
import { describeStats } from "penguiflow/testing";
import { brokenLaws, type LawShape, lineOf } from "../../src/testing/laws/record-laws.ts";
import { SeededSchedule } from "../../src/testing/simulation/seeded-schedule.ts";
import { brokenBounds, brokenEnd, leftBehind } from "../../src/testing/laws/stats-laws.ts";
import { brokenTurns } from "../../src/testing/laws/turn-laws.ts";
import type { RunDigest } from "./run-digest.ts";
import { type NodeSpec, type RunSpec, type Shape, shapeOf, type TraceSpec } from "./run-spec.ts";
import { count, deedOf, expectationOf, goesRound, keyOf, type Parcel } from "./script.ts";
import { type HandlerLog, isLimited, nameOf, parcelOf, scriptedFlow } from "./scripted-flow.ts";

/** The findings of a run. */
export interface RunReport {
  /** Broken laws, one line each. */
  readonly broken: readonly string[];
  /** Records of the run, one line each; none without an audience. */
  readonly lines: readonly string[];
  /** Load of nodes and edges at the first violation. */
  readonly held: string;
  readonly statuses: ReadonlyMap<string, number>;
  /** Number of injected faults, by kind. */
  readonly faults: ReadonlyMap<string, number>;
  /** Number of messages delivered to a handler. */
  readonly messages: number;
}

/** Reports everything needed to investigate a failed run. */
export function story(spec: RunSpec, { broken, lines, held }: Pick<RunReport, "broken" | "lines" | "held">): string {
  const { onward, entries } = shapeOf(spec);
  return [
    ...new Set(broken.slice(0, 20)),
    `entries ${entries.join()}, edges ${onward.map((targets, from) => `${from}→${targets.join()}`).join(" ")}`,
    "the last 30 records:",
    ...lines.slice(-30).map((line) => `  ${line}`),
    "what nodes and edges held when the first law was broken:",
    held,
  ].join("\n");
}

/**
 * The observers of a run. "none": the engine takes its fast paths. "good": a recorder, an observer and, where the spec
 * says so, a store and a bus, under a seeded scheduler. "bad": the same with observers that throw and dawdle and a
 * store and a bus that fail.
 */
export type Audience = "none" | "good" | "bad";

/**
 * Runs a random flow with random callers under a random schedule, all from the seed of the spec. The seed determines
 * which ready task runs, when time advances, and when callers act.
 */
export async function seededRun(spec: RunSpec, audience: Audience, digest?: RunDigest): Promise<RunReport> {
  return new SeededRun(spec, audience, digest).play();
}

class SeededRun {
  readonly #spec: RunSpec;
  readonly #shape: Shape;
  readonly #random: () => number;
  readonly #schedule: SeededSchedule;
  readonly #flow: Flow<unknown, unknown>;
  /** The agent of the remote nodes. */
  readonly #agent: Flow<unknown, unknown>;
  readonly #log: HandlerLog;
  readonly #isWatched: boolean;
  readonly #records: TraceRecord[] = [];
  readonly #events: FlowEvent[] = [];
  readonly #store = new MemoryStateStore();
  readonly #envelopes: BusEnvelope[] = [];
  readonly #broken: string[] = [];
  readonly #unsettled = new Map<number, string>();
  readonly #statuses = new Map<string, number>();
  /** Statuses with which callers may have ended a trace, by tenant and id. */
  readonly #meddled = new Map<string, Set<string>>();
  readonly #outcomes: { readonly parcel: Parcel; readonly outcome: Outcome }[] = [];
  readonly #faults: Map<string, number>;
  #held = "";
  #waits = 0;
  #isStopped = false;

  constructor(spec: RunSpec, audience: Audience, digest: RunDigest | undefined) {
    const isWatched = audience !== "none";
    this.#spec = spec;
    this.#shape = shapeOf(spec);
    this.#random = seededRandom(spec.seed);
    this.#schedule = new SeededSchedule(this.#random);
    this.#isWatched = isWatched;
    const { allowCycles, queueMaxSize, streamWindow, rookeryMaxSize, emitErrorsToRookery } = spec;
    const watching = {
      recorder: (record: TraceRecord) => void this.#records.push(record),
      middlewares: [
        (event: FlowEvent) => void this.#events.push(event),
        ...(audience === "bad" ? BAD_MIDDLEWARES : []),
      ],
      ...(spec.isKept ? this.#keepers(audience) : {}),
    };
    const options: FlowOptions = {
      allowCycles,
      tenantWeights: spec.weights,
      queueMaxSize,
      maxTraces: spec.limits?.maxTraces ?? 0,
      streamWindow,
      limits: { rookeryMaxSize },
      emitErrorsToRookery,
      graceMs: 50,
      random: seededRandom(spec.seed ^ 0x5bd1e995),
      scheduler: isWatched ? this.#schedule : { nextTurn: (task) => this.#schedule.nextTurn(task) },
      logger: { ...SILENT, error: (message, fields) => this.#notBroken(message, fields) },
      ...(isWatched ? watching : {}),
    };
    const { flow, agent, log } = scriptedFlow(this.#shape, this.#schedule, digest?.observed(options) ?? options);
    this.#flow = digest?.callers(flow) ?? flow;
    this.#agent = agent;
    this.#faults = log.faults;
    this.#log = log;
  }

  /** Reports an error of the engine itself, which appears only in the log. */
  #notBroken(message: string, fields: unknown): void {
    if (message === "engine_failed") this.#broken.push(`the engine failed: ${JSON.stringify(fields)}`);
  }

  async play(): Promise<RunReport> {
    const { traces, stop } = this.#spec;
    const notice = (error: unknown): void => void this.#broken.push(`a promise floats: ${describe(error)}`);
    process.on("unhandledRejection", notice);
    this.#flow.run();
    this.#agent.run();
    for (const [index, trace] of traces.entries()) this.#schedule.move(() => this.#begin(trace, index));
    if (stop !== undefined) this.#schedule.move(() => this.#stop(stop.drainMs));
    await this.#playOn();
    if (!this.#isStopped) {
      await this.#readRest();
      await this.#closeOpenEnded();
      this.#watch("flush", this.#flow.flush());
      await this.#playOn();
      if (this.#isWatched && this.#spec.isKept) await this.#checkKept();
      this.#broken.push(...brokenEnd(this.#agent.stats()));
      this.#broken.push(...brokenEnd(this.#flow.stats()));
      this.#look();
      this.#stop(0);
      await this.#playOn();
    }
    this.#watch("stop of the agent", this.#agent.stop());
    await this.#playOn();
    for (const what of this.#unsettled.values()) this.#broken.push(`L2: ${what} has not settled`);
    if (this.#schedule.clock.timers > 0)
      this.#broken.push(`L3: ${this.#schedule.clock.timers} timers are set after the flow was stopped`);
    process.off("unhandledRejection", notice);
    this.#broken.push(...this.#log.problems);
    if (this.#isWatched) this.#checkRecords();
    else this.#checkOutcomes();
    return {
      broken: this.#broken,
      lines: this.#records.map(lineOf),
      held: this.#held,
      statuses: this.#statuses,
      faults: this.#faults,
      messages: this.#log.handled,
    };
  }

  async #playOn(): Promise<void> {
    const didEnd = await this.#schedule.playOn(() => {
      if (this.#isStopped) return;
      this.#checkBounds(this.#flow.stats());
      this.#look();
    });
    if (!didEnd) this.#broken.push("L2: the run does not terminate");
    this.#look();
  }

  /** Records the load of nodes and edges at the first violation, or at the end. */
  #look(): void {
    if (this.#held === "" && this.#flow.isRunning && this.#broken.length > 0)
      this.#held = describeStats(this.#flow.stats());
  }

  /** Fetches unread results, so that senders blocked by them can end. */
  async #readRest(): Promise<void> {
    for (let round = 0; this.#flow.stats().unreadResults > 0; round += 1) {
      if (round > 2_000) {
        this.#broken.push("L2: results keep coming");
        return;
      }
      this.#watch("a last fetch", this.#flow.fetch({ timeoutMs: 1 }));
      await this.#playOn();
    }
  }

  /** Closes emitted traces: one waits in a join for further messages as long as some may arrive. */
  async #closeOpenEnded(): Promise<void> {
    if (this.#shape.isExact) return;
    for (const [index, { by, tenant, traceId = `trace-${index}` }] of this.#spec.traces.entries())
      if (by === "emit") this.#watch("a last cancel", this.#flow.cancel(traceId, { tenant }));
    await this.#playOn();
  }

  #begin(spec: TraceSpec, index: number): void {
    if (this.#isStopped) return;
    const { by, tenant, priority, timeoutMs, fuel, change } = spec;
    const parcel: Parcel = { id: `t${index}`, fuel };
    const traceId = spec.traceId ?? `trace-${index}`;
    const abort = new AbortController();
    const options: EmitOptions = {
      tenant,
      traceId,
      ...(priority === 0 ? {} : { priority }),
      ...(this.#shape.limits?.isExclusive === true ? { exclusive: "k" } : {}),
      ...(this.#shape.budget === undefined ? {} : { budget: this.#shape.budget }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(change === "signal" || change === "abort first" ? { signal: abort.signal } : {}),
    };
    if (timeoutMs !== undefined) this.#mayEnd(spec, traceId, "exhausted");
    if (change !== "nothing") this.#mayEnd(spec, traceId, "cancelled");
    if (change !== "nothing") count(this.#faults, `a caller does: ${change}`);
    if (timeoutMs !== undefined) count(this.#faults, "a caller sets a deadline");
    if (change === "abort first") abort.abort(new Error("aborted before it began"));
    if (change === "signal") this.#schedule.move(() => abort.abort(new Error("the caller has left")));
    if (change === "cancel")
      this.#schedule.move(() => {
        if (!this.#isStopped) this.#watch(`cancel of ${traceId}`, this.#flow.cancel(traceId, { tenant }));
      });
    const what = `${by} ${index}`;
    switch (by) {
      case "call":
        this.#watch(what, this.#flow.call(parcel, options));
        return;
      case "outcome":
        this.#watch(
          what,
          this.#flow.outcome(parcel, options).then((outcome) => void this.#outcomes.push({ parcel, outcome })),
        );
        return;
      case "stream":
        this.#watch(what, this.#read(parcel, options, change));
        return;
      case "emit":
        for (let message = 0; message < spec.messages; message += 1)
          this.#schedule.move(() =>
            this.#emit({ id: `t${index}m${message}`, fuel }, options, `${what}, message ${message}`),
          );
        for (let fetch = 0; fetch < spec.fetches; fetch += 1)
          this.#schedule.move(() => this.#fetch(spec, traceId, `${what}, fetch ${fetch}`));
    }
  }

  async #read(parcel: Parcel, options: EmitOptions, change: TraceSpec["change"]): Promise<void> {
    let items = 0;
    const last = change === "leave" || change === "detach" ? 2 : Number.POSITIVE_INFINITY;
    const stream = this.#flow.stream(parcel, { ...options, onLeave: change === "detach" ? "detach" : "cancel" });
    for await (const item of stream) {
      if (item.type === "chunk" && item.chunk.traceId !== options.traceId)
        this.#broken.push("L11: a chunk of another trace");
      items += 1;
      if (items >= last) return;
      // lets the reader pause
      await new Promise<void>((resolve) => this.#schedule.move(resolve));
    }
  }

  #emit(parcel: Parcel, options: EmitOptions, what: string): void {
    if (this.#isStopped) return;
    if (this.#random() < 0.5) {
      this.#watch(what, this.#flow.emit(parcel, options));
      return;
    }
    try {
      this.#flow.emitNowait(parcel, options);
    } catch (error) {
      this.#expectFlowError(what, error);
    }
  }

  #fetch({ tenant }: TraceSpec, traceId: string, what: string): void {
    if (this.#isStopped) return;
    const kind = this.#random();
    const abort = new AbortController();
    if (kind < 0.4) this.#watch(what, this.#flow.fetch({ traceId, tenant }));
    else if (kind < 0.7) this.#watch(what, this.#flow.fetch({ timeoutMs: 9 }));
    else this.#watch(what, this.#flow.fetch({ signal: abort.signal }));
    this.#schedule.move(() => abort.abort());
  }

  #stop(drainMs: number): void {
    this.#isStopped = true;
    this.#watch("stop", this.#flow.stop({ drainMs }));
  }

  /** Tracks a wait until it settles. */
  #watch(what: string, wait: Promise<unknown>): void {
    const id = this.#waits++;
    this.#unsettled.set(id, what);
    wait.catch((error: unknown) => this.#expectFlowError(what, error)).finally(() => this.#unsettled.delete(id));
  }

  #expectFlowError(what: string, error: unknown): void {
    if (!(error instanceof FlowError)) this.#broken.push(`${what} failed with ${describe(error)}`);
  }

  #mayEnd({ tenant }: TraceSpec, traceId: string, status: string): void {
    const key = `${tenant} ${traceId}`;
    this.#meddled.set(key, (this.#meddled.get(key) ?? new Set()).add(status));
  }

  /** Checks L3: limiters within their bounds. A free permit waits at most for a pump of the next message's node. */
  #checkLimits({ limiters, nodes, traces, waitingTraces }: FlowStats): void {
    const limits = this.#shape.limits;
    const begun = traces - waitingTraces;
    if (limits !== undefined && limits.maxTraces > 0 && begun > limits.maxTraces)
      this.#broken.push(`L3: ${begun} traces are in flight of ${limits.maxTraces}`);
    for (const { running, keys, concurrency } of limiters) {
      if (running > keys * concurrency || running < 0 || (limits?.isKeyed === false && keys > 1))
        this.#broken.push(`L3: ${running} handlers run under ${keys} keys of a limiter of ${concurrency}`);
    }
    if (limits === undefined || limits.isKeyed) return;
    const active = this.#log.limited;
    const lingering = nodes.reduce((sum, node) => sum + node.lingering, 0);
    if (active > limits.concurrency + lingering)
      this.#broken.push(`L3: ${active} handlers work under a limiter of ${limits.concurrency}, ${lingering} linger`);
  }

  /** Checks L3: edges and nodes within their bounds. */
  #checkBounds(stats: FlowStats): void {
    const { traces, fetchers, nodes } = stats;
    this.#broken.push(...brokenBounds(this.#flow.graph, stats));
    for (const { name, concurrency, lingering } of nodes) {
      const active = this.#log.active[placeOf(name)] as number;
      if (active > concurrency + lingering)
        this.#broken.push(`L3: ${active} handlers of ${name} work at once, ${concurrency} may and ${lingering} linger`);
    }
    this.#checkLimits(stats);
    const isIdle = traces + fetchers === 0 && nodes.every(({ lingering, zombies }) => lingering + zombies === 0);
    if (isIdle) this.#broken.push(...leftBehind(stats));
  }

  #checkRecords(): void {
    const lawShape = lawShapeOf(this.#spec, this.#shape);
    this.#broken.push(...brokenLaws(this.#records, () => lawShape), ...brokenTurns(this.#records, () => lawShape));
    this.#checkTenants();
    this.#checkDrops();
    if (this.#shape.limits?.isExclusive === true) this.#checkExclusive();
    if (this.#shape.budget !== undefined) this.#checkSpent();
    const runs = new Map<string, TraceRecord[]>();
    for (const record of this.#records) runs.set(record.run, [...(runs.get(record.run) ?? []), record]);
    for (const records of runs.values()) this.#checkRun(records);
  }

  /** Checks that a tenant's exclusive traces follow one another. */
  #checkExclusive(): void {
    const open = new Map<string, string>();
    const ended = new Set<string>();
    for (const record of this.#records) {
      const { type, tenant, run } = record;
      if (type === "ended") {
        ended.add(run);
        if (open.get(tenant) === run) open.delete(tenant);
      }
      if (type !== "accepted" || !/^n\d/.test(record.node) || ended.has(run)) continue;
      const other = open.get(tenant) ?? run;
      if (other !== run) this.#broken.push(`L4: exclusive runs ${other} and ${run} of ${tenant} are in flight at once`);
      open.set(tenant, run);
    }
  }

  /** Checks L10: the outcomes have what the handlers have spent. */
  #checkSpent(): void {
    const told = new Map<string, number>();
    for (const record of this.#records)
      if (record.type === "ended")
        count(told, `${record.tenant} ${record.traceId}`, record.outcome.spent["units"] ?? 0);
    for (const [key, spent] of told) {
      const wanted = this.#log.spent.get(key) ?? 0;
      if (Math.abs(spent - wanted) > 1e-6) this.#broken.push(`L10: ${key} has spent ${spent}, its handlers ${wanted}`);
    }
  }

  /** Creates a store and a bus; with a bad audience they refuse, throw and dawdle before they work. */
  #keepers(audience: Audience): { readonly stateStore: StateStore; readonly messageBus: MessageBus } {
    const random = seededRandom(this.#spec.seed ^ 0x2c1b3c6d);
    const keep = (work: () => void | Promise<void>): Promise<void> => {
      const mood = audience === "bad" ? random() : 1;
      if (mood < 0.6) count(this.#faults, "a store or bus fails or dawdles");
      if (mood < 0.2) throw PLANNED;
      if (mood < 0.4) return Promise.reject(PLANNED);
      return dawdle(mood < 0.6 ? 5 : 0).then(work);
    };
    return {
      stateStore: {
        saveEvents: (batch) => keep(() => this.#store.saveEvents(batch)),
        loadHistory: (query) => this.#store.loadHistory(query),
        listTraces: (query) => this.#store.listTraces(query),
        prune: () => this.#store.prune(),
        saveRemoteBinding: (binding) => this.#store.saveRemoteBinding(binding),
        findRemoteBindings: (key) => this.#store.findRemoteBindings(key),
      },
      messageBus: { publish: (batch) => keep(() => void this.#envelopes.push(...batch)) },
    };
  }

  /**
   * Checks L8 and L11: the store has the same events of each tenant's traces as the observers, and failures are
   * counted.
   */
  async #checkKept(): Promise<void> {
    const { stateStore, messageBus, middlewares } = this.#flow.stats().observers;
    const lost = stateStore.dropped + stateStore.failed + messageBus.dropped + messageBus.failed;
    if (middlewares[0]?.failed !== 0) this.#broken.push("L8: the failures of one observer are another's");
    const keys = new Set(this.#events.map(({ tenant, traceId }) => JSON.stringify([tenant, traceId])));
    for (const key of keys) {
      const [tenant, traceId] = JSON.parse(key) as [string, string];
      const told = this.#events.filter((event) => event.tenant === tenant && event.traceId === traceId);
      const kept = await this.#store.loadHistory({ tenant, traceId, limit: told.length + 1 });
      const payloads = kept.events.map(({ payload }) => payload as unknown as FlowEvent);
      const isInOrder = payloads.every(
        (event, index) => index === 0 || told.indexOf(event) > told.indexOf(payloads[index - 1] as FlowEvent),
      );
      if (!isInOrder || payloads.some((event) => !told.includes(event)))
        this.#broken.push(`L8: the store has other events of ${key} than observers were told of`);
      if (lost === 0 && payloads.length !== told.length)
        this.#broken.push(`L8: the store has ${payloads.length} of ${told.length} events of ${key}`);
    }
  }

  /** Checks L11: no message is in flight for another tenant than that of its caller. */
  #checkTenants(): void {
    const seen = this.#records.flatMap((record) => {
      if (record.type === "accepted") return [{ tenant: record.tenant, message: record.message }];
      if (record.type !== "emitted" && record.type !== "committed") return [];
      return record.outputs.map(({ message }) => ({ tenant: record.tenant, message }));
    });
    for (const { tenant, message } of seen) {
      if (message.headers.tenant !== tenant)
        this.#broken.push(`L11: a message of ${message.headers.tenant} travels for ${tenant}`);
      this.#checkOwner(tenant, message.payload);
    }
    for (const { tenant, payload } of this.#envelopes) this.#checkOwner(tenant, payload);
  }

  #checkOwner(tenant: string, payload: unknown): void {
    const index = /^t(\d+)/.exec(parcelOf(payload).parcel.id)?.[1];
    const owner = index === undefined ? tenant : this.#spec.traces[Number(index)]?.tenant;
    if (owner !== tenant) this.#broken.push(`L11: a payload of ${owner} travels for ${tenant}`);
  }

  /** Checks L5: every dropped message is dropped with an event. */
  #checkDrops(): void {
    if (this.#spec.stop !== undefined) return;
    const told = new Map<string, number>();
    for (const event of this.#events)
      if (event.type === "message_drop" || event.type === "deadline_skip")
        count(told, `${event.tenant} ${event.traceId} ${event.node}`);
    const dropped = new Map<string, number>();
    for (const record of this.#records)
      if (record.type === "dropped") count(dropped, `${record.tenant} ${record.traceId} ${record.node}`);
    for (const [place, number] of dropped)
      if ((told.get(place) ?? 0) < number)
        this.#broken.push(
          `L5: ${number} messages were dropped at ${place} and ${told.get(place) ?? 0} events tell of it`,
        );
  }

  /** Checks that a completed trace did what the script says, and that any other has a reason. */
  #checkRun(records: readonly TraceRecord[]): void {
    const last = records.at(-1);
    const first = records.flatMap((record) => (record.type === "accepted" ? [record] : []));
    // a playbook's own traces, and those without an accepted message, have no script
    if (last?.type !== "ended" || first.length === 0 || first.some(({ node }) => !node.startsWith("n"))) return;
    const { status } = last.outcome;
    count(this.#statuses, status);
    if (!this.#shape.isExact) return;
    const expected = expectationOf(
      this.#shape,
      first.map(({ node, message }) => ({ place: placeOf(node), parcel: message.payload as Parcel })),
    );
    const where = `run ${last.run}`;
    if (expected.mayFallBack) return;
    this.#checkStatus(where, last.outcome, expected);
    if (status !== "completed" && status !== "empty") return;
    const handled = new Map<string, number>();
    const results = new Map<string, number>();
    const incoming = new Map<string, Message>();
    for (const record of records) {
      if (record.type === "accepted") incoming.set(record.lineage, record.message);
      if (record.type !== "emitted" && record.type !== "committed") continue;
      for (const { node, lineage, message } of record.outputs)
        if (node === ROOKERY) count(results, parcelOf(message.payload).parcel.id);
        else incoming.set(lineage, message);
    }
    for (const record of records) {
      if (record.type !== "committed") continue;
      const { parcel, hops } = parcelOf(incoming.get(record.lineage)?.payload);
      count(handled, keyOf(placeOf(record.node), parcel.id, hops));
    }
    this.#compare(`${where}: messages handled`, handled, expected.handled);
    this.#compare(`${where}: results`, results, expected.results);
  }

  #checkStatus(where: string, outcome: Outcome, expected: ReturnType<typeof expectationOf>): void {
    const { status, tenant, traceId } = outcome;
    const possible = new Set<string>(this.#meddled.get(`${tenant} ${traceId}`));
    for (const ending of expected.endings) possible.add(ending);
    if (expected.endings.size === 0) possible.add(expected.results.size > 0 ? "completed" : "empty");
    if (this.#spec.stop !== undefined) possible.add("stopped");
    if (this.#shape.budget !== undefined) possible.add("exhausted");
    const isDeadlock = status === "failed" && outcome.error.code === "DEADLOCK" && this.#shape.hasRings;
    const isStretched = status === "failed" && outcome.error.code === "NODE_TIMEOUT" && expected.mayStretch;
    if (!possible.has(status) && !isDeadlock && !isStretched)
      this.#broken.push(
        `L2: ${where} is ${status} (${"error" in outcome ? `${outcome.error.code} ${outcome.error.message}` : ""}) and may only be ${[...possible].join(" or ")}`,
      );
  }

  /** Checks, without records, that callers received what the script says. */
  #checkOutcomes(): void {
    for (const { parcel, outcome } of this.#outcomes) {
      count(this.#statuses, outcome.status);
      if (!this.#shape.isExact) continue;
      const expected = expectationOf(
        this.#shape,
        this.#shape.entries.map((place) => ({ place, parcel })),
      );
      if (expected.mayFallBack) continue;
      this.#checkStatus(parcel.id, outcome, expected);
      if (outcome.status !== "completed" && outcome.status !== "empty") continue;
      const results = new Map<string, number>();
      for (const result of outcome.results) count(results, parcelOf(result).parcel.id);
      this.#compare(`${parcel.id}: results`, results, expected.results);
      if (expected.mayStretch) continue;
      for (const [key, times] of expected.handled) {
        if (expected.late.has(key)) continue;
        const seen = this.#log.returned.get(key) ?? 0;
        if (seen !== times) this.#broken.push(`L1: ${parcel.id}: ${key} was handled ${seen} times, ${times} wanted`);
      }
    }
  }

  #compare(what: string, got: ReadonlyMap<string, number>, wanted: ReadonlyMap<string, number>): void {
    const text = (counts: ReadonlyMap<string, number>): string =>
      [...counts]
        .map(([key, times]) => `${key} × ${times}`)
        .sort()
        .join(", ");
    if (text(got) !== text(wanted)) this.#broken.push(`L1: ${what} are ${text(got)}, wanted ${text(wanted)}`);
  }
}

/** Observers that must not affect the flow. They wait for promises alone, so that a schedule need not know of them. */
const BAD_MIDDLEWARES: readonly Middleware[] = [
  () => {
    throw PLANNED;
  },
  () => Promise.reject(PLANNED),
  () => dawdle(3),
];

const PLANNED = new Error("An observer, a store or a bus fails as planned");

async function dawdle(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
}

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const placeOf = (name: string): number => Number(name.slice(1));

/** Returns the facts about a random graph and its playbook that the laws need. */
function lawShapeOf(spec: RunSpec, shape: Shape): LawShape {
  const nodeOf = (name: string): NodeSpec | undefined =>
    name.startsWith("n") ? shape.nodes[placeOf(name)] : undefined;
  return {
    entriesWith: (entry) => (nodeOf(entry) === undefined ? [entry] : shape.entries.map(nameOf)),
    isOrdered: (name) => nodeOf(name)?.ordering !== "none",
    groupSize(name) {
      const node = nodeOf(name);
      return node?.kind === "join" && node.gather.whenShort === "fail" ? node.gather.count : undefined;
    },
    shareOf(name, tenant) {
      const node = nodeOf(name);
      // elsewhere the scheduler, or the cycle, influences the order
      const givesTurns =
        node?.concurrency === 1 &&
        node.kind !== "join" &&
        node.kind !== "router" &&
        !shape.hasRings &&
        !isLimited(shape, placeOf(name));
      return givesTurns ? (spec.weights[tenant] ?? 1) : undefined;
    },
    targets({ node: from, message: incoming }, output) {
      const node = nodeOf(from);
      if (node === undefined) return undefined;
      const place = placeOf(from);
      const onward = shape.onward[place] as readonly number[];
      const namesOf = (targets: readonly number[]): string[] =>
        targets.length === 0 ? [ROOKERY] : targets.map(nameOf);
      if (node.kind === "join") return namesOf(onward);
      if (incoming === undefined) return undefined;
      const { parcel, hops } = parcelOf(incoming.payload);
      const sent = parcelOf(output.payload).parcel.id;
      const { acts, returns, fallback } = deedOf(shape, place, parcel, hops);
      const outputs = acts.flatMap((act) => (act.act === "emit" ? [act.output] : []));
      const found = [...outputs, returns, fallback].find((one) => one?.parcel.id === sent);
      if (found === undefined) return ["nowhere, since the script knows no such output"];
      return goesRound(found) ? [from] : namesOf(found.to ?? onward);
    },
  };
}

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
