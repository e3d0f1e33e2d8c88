import {
  type EmitOptions,
  type Flow,
  FlowError,
  type FlowEvent,
  type FlowStats,
  type Message,
  type Outcome,
  ROOKERY,
  seededRandom,
  type TraceRecord,
} from "penguiflow";
import { brokenLaws, type LawShape, lineOf } from "./record-laws.ts";
import { type NodeSpec, type RunSpec, type Shape, shapeOf, type TraceSpec } from "./run-spec.ts";
import { count, deedOf, expectationOf, goesRound, keyOf, type Parcel } from "./script.ts";
import { type HandlerLog, nameOf, parcelOf, scriptedFlow } from "./scripted-flow.ts";
import { SteppedClock } from "./stepped-clock.ts";

/** What a run showed. */
export interface RunReport {
  /** Which laws it broke, one line each. */
  readonly broken: readonly string[];
  /** Its records, one line each; none when nobody watched. */
  readonly lines: readonly string[];
  readonly statuses: ReadonlyMap<string, number>;
}

/** More steps than any run takes. */
const STEP_LIMIT = 20_000;

/**
 * Runs a random flow with random callers under a random schedule, all from the seed of the spec: which
 * of the tasks that could run does run, when time moves on, when callers act.
 *
 * @param isWatched - with a recorder and a scheduler; without them the engine takes its short ways
 */
export async function seededRun(spec: RunSpec, isWatched: boolean): Promise<RunReport> {
  return new SeededRun(spec, isWatched).play();
}

class SeededRun {
  readonly #spec: RunSpec;
  readonly #shape: Shape;
  readonly #random: () => number;
  readonly #clock = new SteppedClock();
  readonly #flow: Flow<unknown, unknown>;
  readonly #log: HandlerLog;
  readonly #isWatched: boolean;
  readonly #tasks: (() => void)[] = [];
  /** What is to run in the next turn: before time moves on. */
  readonly #turns: (() => void)[] = [];
  /** What callers may do next. */
  readonly #moves: (() => void)[] = [];
  readonly #records: TraceRecord[] = [];
  readonly #events: FlowEvent[] = [];
  readonly #broken: string[] = [];
  readonly #unsettled = new Map<number, string>();
  readonly #statuses = new Map<string, number>();
  /** Statuses with which callers may have ended a trace, by tenant and id. */
  readonly #meddled = new Map<string, Set<string>>();
  readonly #outcomes: { readonly parcel: Parcel; readonly outcome: Outcome }[] = [];
  #waits = 0;
  #isStopped = false;

  constructor(spec: RunSpec, isWatched: boolean) {
    this.#spec = spec;
    this.#shape = shapeOf(spec);
    this.#random = seededRandom(spec.seed);
    this.#isWatched = isWatched;
    const { allowCycles, queueMaxSize, streamWindow, rookeryMaxSize, emitErrorsToRookery } = spec;
    const watching = {
      recorder: (record: TraceRecord) => void this.#records.push(record),
      middlewares: [(event: FlowEvent) => void this.#events.push(event)],
    };
    const { flow, log } = scriptedFlow(this.#shape, this.#clock, {
      allowCycles,
      queueMaxSize,
      streamWindow,
      rookeryMaxSize,
      emitErrorsToRookery,
      graceMs: 50,
      random: seededRandom(spec.seed ^ 0x5bd1e995),
      scheduler: {
        ...(isWatched ? { ready: (task: () => void) => void this.#tasks.push(task) } : {}),
        nextTurn: (task) => void this.#turns.push(task),
      },
      ...(isWatched ? watching : {}),
    });
    this.#flow = flow;
    this.#log = log;
  }

  async play(): Promise<RunReport> {
    const { traces, stop } = this.#spec;
    const notice = (error: unknown): void => void this.#broken.push(`a promise floats: ${describe(error)}`);
    process.on("unhandledRejection", notice);
    this.#flow.run();
    for (const [index, trace] of traces.entries()) this.#moves.push(() => this.#begin(trace, index));
    if (stop !== undefined) this.#moves.push(() => this.#stop(stop.drainMs));
    await this.#playOn();
    if (!this.#isStopped) {
      await this.#readRest();
      await this.#closeOpenEnded();
      this.#watch("flush", this.#flow.flush());
      this.#checkEnd(this.#flow.stats());
      this.#stop(0);
      await this.#playOn();
    }
    for (const what of this.#unsettled.values()) this.#broken.push(`L2: ${what} has not settled`);
    if (this.#clock.timers > 0)
      this.#broken.push(`L3: ${this.#clock.timers} timers are set after the flow was stopped`);
    process.off("unhandledRejection", notice);
    this.#broken.push(...this.#log.problems);
    if (this.#isWatched) this.#checkRecords();
    else this.#checkOutcomes();
    return { broken: this.#broken, lines: this.#records.map(lineOf), statuses: this.#statuses };
  }

  /** Lets tasks, callers and time take their turns until nothing is left to do. */
  async #playOn(): Promise<void> {
    for (let step = 0; ; step += 1) {
      await turn();
      if (!this.#isStopped) this.#checkBounds(this.#flow.stats());
      const kinds = [
        { weight: this.#tasks.length > 0 ? 6 : 0, act: () => this.#takeOne(this.#tasks)() },
        { weight: this.#moves.length > 0 ? 2 : 0, act: () => this.#takeOne(this.#moves)() },
        { weight: this.#turns.length > 0 ? 2 : 0, act: () => this.#nextTurn() },
        { weight: this.#clock.timers > 0 ? 1 : 0, act: () => this.#step() },
      ];
      let choice = this.#random() * kinds.reduce((sum, { weight }) => sum + weight, 0);
      const chosen = kinds.find(({ weight }) => (choice -= weight) < 0);
      if (chosen === undefined) return;
      if (step > STEP_LIMIT) {
        this.#broken.push(`L2: the run goes on after ${STEP_LIMIT} steps`);
        return;
      }
      chosen.act();
      // sometimes several things happen before anyone notices
      if (this.#tasks.length > 0 && this.#random() < 0.3) this.#takeOne(this.#tasks)();
    }
  }

  #nextTurn(): void {
    for (const task of this.#turns.splice(0)) task();
  }

  #step(): void {
    this.#nextTurn();
    this.#clock.step();
  }

  #takeOne(from: (() => void)[]): () => void {
    return from.splice(Math.floor(this.#random() * from.length), 1)[0] as () => void;
  }

  /** Fetches what nobody has read, so that those who wait for room can end. */
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

  /** A trace that was emitted waits in a join for further messages as long as some may come. */
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
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(change === "signal" || change === "abort first" ? { signal: abort.signal } : {}),
    };
    if (timeoutMs !== undefined) this.#mayEnd(spec, traceId, "exhausted");
    if (change !== "nothing") this.#mayEnd(spec, traceId, "cancelled");
    if (change === "abort first") abort.abort(new Error("aborted before it began"));
    if (change === "signal") this.#moves.push(() => abort.abort(new Error("the caller has left")));
    if (change === "cancel")
      this.#moves.push(() => {
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
          this.#moves.push(() =>
            this.#emit({ id: `t${index}m${message}`, fuel }, options, `${what}, message ${message}`),
          );
        for (let fetch = 0; fetch < spec.fetches; fetch += 1)
          this.#moves.push(() => this.#fetch(spec, traceId, `${what}, fetch ${fetch}`));
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
      // the reader takes its time
      await new Promise<void>((resolve) => this.#moves.push(resolve));
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
    this.#moves.push(() => abort.abort());
  }

  #stop(drainMs: number): void {
    this.#isStopped = true;
    this.#watch("stop", this.#flow.stop({ drainMs }));
  }

  /** Remembers that somebody waits, and notices when it is over. */
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

  /** L3: no edge holds more than it may, no node does more at once than it may. */
  #checkBounds(stats: FlowStats): void {
    const { traces, fetchers, edges, nodes } = stats;
    for (const { source, target, size, capacity } of edges) {
      const isInner = this.#shape.hasRings && source !== "OpenSea";
      // a cycle that is stuck drains over its bound
      const most = capacity + (isInner ? Math.max(capacity, 64) : 0);
      if (size > most || size < 0) this.#broken.push(`L3: edge ${source} → ${target} holds ${size} of ${most}`);
    }
    for (const { name, running, concurrency, lingering, zombies, queued } of nodes) {
      if (running > concurrency || running < 0 || queued < 0 || lingering < 0 || zombies < 0)
        this.#broken.push(
          `L3: node ${name} uses ${running} of ${concurrency} slots, ${queued} wait, ${lingering} linger`,
        );
      const active = this.#log.active[placeOf(name)] as number;
      if (active > concurrency + lingering)
        this.#broken.push(`L3: ${active} handlers of ${name} work at once, ${concurrency} may and ${lingering} linger`);
    }
    const isIdle = traces + fetchers === 0 && nodes.every(({ lingering, zombies }) => lingering + zombies === 0);
    if (isIdle) this.#checkTables(stats);
  }

  /** L3: what belongs to a trace is gone with it. */
  #checkTables({ timers, nodes, edges }: FlowStats): void {
    if (timers !== 0) this.#broken.push(`L3: ${timers} timers are left`);
    for (const { name, queued, running, blocked, parked, lingering, zombies } of nodes) {
      const held = { queued, running, blocked, parked, lingering, zombies };
      for (const [what, number] of Object.entries(held))
        if (number !== 0) this.#broken.push(`L3: node ${name} is left with ${number} ${what}`);
    }
    for (const { source, target, size, waiting } of edges)
      if (size + waiting !== 0)
        this.#broken.push(`L3: edge ${source} → ${target} is left with ${size} and ${waiting} waiting`);
  }

  #checkEnd(stats: FlowStats): void {
    this.#checkTables(stats);
    const { traces, unreadResults, fetchers, outcomes, accepted } = stats;
    if (traces !== 0) this.#broken.push(`L2: ${traces} traces are left`);
    if (unreadResults + fetchers !== 0)
      this.#broken.push(`L3: ${unreadResults} results are left unread, ${fetchers} fetchers wait`);
    const ended = Object.values(outcomes).reduce((sum, number) => sum + number, 0);
    if (ended !== accepted) this.#broken.push(`L2: ${accepted} traces began and ${ended} ended`);
  }

  #checkRecords(): void {
    this.#broken.push(...brokenLaws(this.#records, lawShapeOf(this.#shape)));
    this.#checkDrops();
    const runs = new Map<string, TraceRecord[]>();
    for (const record of this.#records) runs.set(record.run, [...(runs.get(record.run) ?? []), record]);
    for (const records of runs.values()) this.#checkRun(records);
  }

  /** L5: what is dropped is dropped with an event. */
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

  /** A trace that ran to its end did what the script says; one that did not has a reason. */
  #checkRun(records: readonly TraceRecord[]): void {
    const last = records.at(-1);
    const first = records.flatMap((record) => (record.type === "accepted" ? [record] : []));
    // a playbook's own traces, and those of which nothing was accepted, have no script
    if (last?.type !== "ended" || first.length === 0 || first.some(({ node }) => !node.startsWith("n"))) return;
    const { status } = last.outcome;
    count(this.#statuses, status);
    if (!this.#shape.isExact) return;
    const expected = expectationOf(
      this.#shape,
      first.map(({ node, message }) => ({ place: placeOf(node), parcel: message.payload as Parcel })),
    );
    const where = `run ${last.run}`;
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
    const isDeadlock = status === "failed" && outcome.error.code === "DEADLOCK" && this.#shape.hasRings;
    const isStretched = status === "failed" && outcome.error.code === "NODE_TIMEOUT" && expected.mayStretch;
    if (!possible.has(status) && !isDeadlock && !isStretched)
      this.#broken.push(
        `L2: ${where} is ${status} (${"error" in outcome ? `${outcome.error.code} ${outcome.error.message}` : ""}) and may only be ${[...possible].join(" or ")}`,
      );
  }

  /** Without records: what callers got is what the script says. */
  #checkOutcomes(): void {
    for (const { parcel, outcome } of this.#outcomes) {
      count(this.#statuses, outcome.status);
      if (!this.#shape.isExact) continue;
      const expected = expectationOf(
        this.#shape,
        this.#shape.entries.map((place) => ({ place, parcel })),
      );
      this.#checkStatus(parcel.id, outcome, expected);
      if (outcome.status !== "completed" && outcome.status !== "empty") continue;
      const results = new Map<string, number>();
      for (const result of outcome.results) count(results, parcelOf(result).parcel.id);
      this.#compare(`${parcel.id}: results`, results, expected.results);
      if (expected.mayStretch) continue;
      for (const [key, times] of expected.handled) {
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

const placeOf = (name: string): number => Number(name.slice(1));

/** What the laws need to know of a random graph and of the playbook in it. */
function lawShapeOf(shape: Shape): LawShape {
  const nodeOf = (name: string): NodeSpec | undefined =>
    name.startsWith("n") ? shape.nodes[placeOf(name)] : undefined;
  return {
    entriesWith: (entry) => (nodeOf(entry) === undefined ? [entry] : shape.entries.map(nameOf)),
    isOrdered: (name) => nodeOf(name)?.ordering !== "none",
    groupSize(name) {
      const node = nodeOf(name);
      return node?.kind === "join" && node.gather.whenShort === "fail" ? node.gather.count : undefined;
    },
    targets(from, incoming, output) {
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
      const { acts, returns } = deedOf(shape, place, parcel, hops);
      const outputs = acts.flatMap((act) => (act.act === "emit" ? [act.output] : []));
      const found = [...outputs, ...(returns === undefined ? [] : [returns])].find((one) => one.parcel.id === sent);
      if (found === undefined) return ["nowhere, since the script knows no such output"];
      return goesRound(found) ? [from] : namesOf(found.to ?? onward);
    },
  };
}

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** Resolves when all promises that could settle have settled. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
