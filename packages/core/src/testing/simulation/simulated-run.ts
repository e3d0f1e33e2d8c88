import { FlowError } from "../../foundation/flow-error.ts";
import type { Random } from "../../foundation/random.ts";
import type { Logger } from "../../events/logger.ts";
import type { SomeNode } from "../../graph/graph.ts";
import type { Context } from "../../graph/handler.ts";
import { wrapHandler } from "../../graph/node.ts";
import { MemoryStateStore } from "../../memory/memory-state-store.ts";
import type { BusEnvelope } from "../../ports/message-bus.ts";
import type { TraceRecord } from "../../ports/trace-recorder.ts";
import type { Attempt } from "../../engine/state/attempt.ts";
import type { FlowStats } from "../../engine/flow-stats.ts";
import { HandlerContext } from "../../engine/context/handler-context.ts";
import { Engine } from "../../engine/engine.ts";
import { statsOf } from "../../engine/flow-stats.ts";
import { placeOf } from "../../engine/observe/reporter.ts";
import { type Fault, suffer } from "../kit/fault.ts";
import {
  type AdapterFault,
  FAULTS_OF_CALLS,
  FAULTS_OF_TRANSPORTS,
  faultyMessageBus,
  faultyRemoteTransport,
  faultyStateStore,
} from "../kit/faulty-adapters.ts";
import { describeStats } from "../kit/run-one.ts";
import { lineOf, type Restart } from "../laws/record-laws.ts";
import { brokenBounds, brokenEnd, leftBehind } from "../laws/stats-laws.ts";
import { Callers, LEFT } from "./callers.ts";
import { FinalChecks } from "./final-checks.ts";
import { add, DELAYS_MS, Odds, oneOf, type Setting } from "./odds.ts";
import { isOfBegun, keyOf } from "./request.ts";
import { SeededSchedule } from "./seeded-schedule.ts";
import type { SimulationPorts, SimulationTools } from "./simulate-options.ts";
import { SimulatedCheckpointStore } from "./simulated-checkpoint-store.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import type { AnyFlow, AnyOptions, SimulatedWorld } from "./simulated-world.ts";

/** Maximum number of crashes in one run. */
const MOST_CRASHES = 5;

/** More moves than the readers of a stopped flow need to finish their streams. */
const LEISURELY_ROUNDS = 100;

/** Suspension of a process, beyond its lease. */
const SLEEP_MS = 15_000;

/** Share of the runs of durable flows that have an intake. */
const INTAKE_SHARE = 0.3;

/** One run of a user's flow under a seed, and its findings: processes that run, crash and are followed by others. */
export class SimulatedRun implements SimulatedWorld {
  readonly broken: string[] = [];
  readonly outcomes = new Map<string, number>();
  /** Load of nodes and edges at the first sign of a violation. */
  held = "";
  readonly options: AnyOptions;
  readonly setting: Setting;
  readonly odds: Odds;
  readonly schedule: SeededSchedule;
  readonly checkpoints: SimulatedCheckpointStore;
  readonly processes: SimulatedProcess[] = [];
  readonly history: (TraceRecord | Restart)[] = [];
  process!: SimulatedProcess;
  flow!: AnyFlow;
  readonly hasIntake: boolean = false;
  isStopped = false;
  readonly envelopes: BusEnvelope[] = [];
  readonly choosers = new Set<string>();
  /** Number of crashes. */
  crashes = 0;
  readonly #callers: Callers;
  /** Random source for the disk and the crashes. */
  readonly #fate: Random;
  /** Random source for the calls of the disk that are not answered. */
  readonly #silence: Random;
  #unwrap: (() => void)[] = [];
  #waits = 0;
  /** Actions postponed until a process is running again. */
  readonly #postponed: (() => void)[] = [];

  static async play(options: AnyOptions, setting: Setting): Promise<SimulatedRun> {
    const run = new SimulatedRun(options, setting);
    try {
      await run.#play();
    } finally {
      for (const unwrap of run.#unwrap) unwrap();
    }
    return run;
  }

  private constructor(options: AnyOptions, setting: Setting) {
    this.options = options;
    this.setting = setting;
    this.odds = new Odds(setting);
    this.schedule = new SeededSchedule(this.odds.stream("schedule"));
    this.#fate = this.odds.stream("checkpoints");
    this.#silence = this.odds.stream("silence");
    this.#callers = new Callers(this);
    this.checkpoints = this.#makeCheckpoints();
    this.#boot();
    this.hasIntake = this.flow.isDurable && this.odds.stream("intake")() < INTAKE_SHARE;
  }

  /** The complete history, one line each, including records that were not stored. */
  get records(): readonly string[] {
    return this.processes.flatMap(({ records, stored }, index) => [
      ...(index === 0 ? [] : [lineOf({ type: "restart" })]),
      ...records.map((record, place) =>
        index < this.processes.length - 1 && place >= stored ? `(lost) ${lineOf(record)}` : lineOf(record),
      ),
    ]);
  }

  /** Number of requests. */
  get requests(): number {
    return this.#callers.requests.length;
  }

  /** Number of handler calls. */
  get attempts(): number {
    return this.allRecords.filter(({ type }) => type === "started").length;
  }

  get allRecords(): TraceRecord[] {
    return this.processes.flatMap(({ records }) => records);
  }

  async #play(): Promise<void> {
    this.#begin();
    this.#planEnd();
    this.#callers.plan();
    await this.playOn();
    await this.#callers.letCollect();
    await this.#callers.redeliver();
    if (this.allRecords.length === 0 && !this.checkpoints.isUsed)
      throw new TypeError('Option "flow" of simulate must pass its ports on: create(…, { ...ports })');
    this.watch("flush", this.flow.flush());
    await this.playOn();
    for (const what of this.process.waits.values())
      this.broken.push(`L2: ${what} has not settled; a handler may be waiting outside of ctx and the ports`);
    if (this.process.waits.size === 0) this.broken.push(...brokenEnd(this.#stats()));
    if (this.broken.length > 0) this.#look();
    this.isStopped = true;
    this.watch("stop", this.flow.stop());
    await this.playOn();
    for (const what of this.process.waits.values())
      this.broken.push(`L2: ${what} has not settled though the flow was stopped`);
    this.history.push(...this.process.records);
    await new FinalChecks(this, this.#callers, this).check();
  }

  /** Creates the flow, in a process of its own. */
  #boot(): void {
    const process = new SimulatedProcess(this.schedule);
    this.process = process;
    this.processes.push(process);
    this.flow = this.options.flow(this.#ports(process), this.#tools());
    for (const unwrap of this.#unwrap) unwrap();
    this.#unwrap = this.flow.graph.vertices.map(({ node }) =>
      wrapHandler(node, (_input, ctx, call) => this.#handle(process, node, ctx, call)),
    );
  }

  /** Runs the flow of the current process. */
  #begin(): void {
    const { resources } = this.options;
    const [flow, process] = [this.flow, this.process];
    flow.run(this.hasIntake ? { resources, outbox: this.#callers.outbox(process) } : { resources });
    const leave = async (): Promise<void> => {
      // a flow stops by itself when its disk does not answer
      if ((await flow.closed) !== undefined && !process.hasEnded && !this.isStopped) this.#leave();
    };
    void leave();
    if (this.hasIntake) this.#callers.readIntake();
  }

  #makeCheckpoints(): SimulatedCheckpointStore {
    return new SimulatedCheckpointStore({
      schedule: this.schedule,
      id: `checkpoints of seed ${this.setting.seed}`,
      process: () => this.process,
      delayMs: () => (this.#strikes("a disk is slow") ? oneOf(DELAYS_MS, this.#fate) : 0),
      refuses: (what) => {
        if (what === "renewal") return this.#strikes("a disk refuses a renewal");
        if (!this.#mayCrash || !this.#strikes("a disk refuses a batch")) return false;
        // a flow that cannot store any more shuts down by itself
        this.#leave();
        return true;
      },
      hangs: (what) => {
        if (what === "batch") return this.#mayCrash && this.#strikes("a disk does not answer a batch");
        return this.#strikes(`a disk does not answer a ${what}`, this.#silence);
      },
      keepsLease: () => this.#strikes("a lease of a dead process is waited for"),
      ends: (when) => this.#mayCrash && this.#strikes(`the process ends ${when} a batch is stored`),
      kill: (process) => this.#kill(process),
    });
  }

  get #mayCrash(): boolean {
    return this.crashes < MOST_CRASHES && !this.isStopped;
  }

  #strikes(kind: string, random = this.#fate): boolean {
    return !this.isStopped && this.odds.happens(kind, random, this.setting.crashes);
  }

  #kill(process: SimulatedProcess): void {
    if (process.hasEnded) return;
    process.kill();
    this.crashes += 1;
    this.schedule.move(() => this.#restart());
  }

  /** Shuts the flow down in mid-work, and has another process continue it. */
  #leave(): void {
    const [process, flow] = [this.process, this.flow];
    if (process.isLeaving) return;
    process.isLeaving = true;
    this.crashes += 1;
    const stopped = new Promise<void>((resolve) => process.later(resolve)).then(() => flow.stop());
    this.watch("a stop in the middle", stopped);
    const goOn = (abandoned: number, rounds: number): void =>
      process.later(() => {
        // readers of streams need some time to finish
        if (process.waits.size > 0 && rounds > 0) {
          goOn(abandoned, rounds - 1);
          return;
        }
        for (const what of process.waits.values())
          this.broken.push(`L2: ${what} has not settled though the flow was stopped`);
        if (abandoned === 0 && process.engine?.ending.zombies === 0)
          this.broken.push(...leftBehind(statsOf(process.engine)));
        process.kill();
        this.#restart();
      });
    void stopped.then(({ abandoned }) => goOn(abandoned, LEISURELY_ROUNDS));
  }

  /** Starts a new process from the contents of the checkpoint store. */
  #restart(): void {
    const { records, stored } = this.process;
    const kept = records.slice(0, stored);
    // the signals of a trace are stored with the first message that an edge accepts
    const begun = new Set([...this.history, ...kept].flatMap((record) => (isOfBegun(record) ? [record.run] : [])));
    this.history.push(...kept.filter(({ run }) => begun.has(run)), { type: "restart" });
    this.#boot();
    this.#begin();
    this.#planEnd();
    this.#callers.comeBack();
    for (const act of this.#postponed.splice(0)) this.process.later(act);
  }

  /** Returns the keys of the requests with a stored record of this type. */
  storedKeys(type: TraceRecord["type"]): string[] {
    return this.history.flatMap((record) =>
      record.type !== "restart" && record.type === type ? [keyOf(record.tenant, record.traceId)] : [],
    );
  }

  /** Schedules a possible end of the process: a crash or an orderly shutdown. */
  #planEnd(): void {
    const process = this.process;
    if (this.flow.isDurable) this.#planSleep(process);
    if (!this.checkpoints.isUsed || !this.#mayCrash) return;
    if (this.#strikes("the process ends at any time")) process.later(() => this.#kill(process));
    if (this.#strikes("the flow is stopped and runs again"))
      process.later(() => {
        if (this.#mayCrash) this.#leave();
      });
  }

  /** Schedules a possible suspension of the machine: no timer of the process fires meanwhile. */
  #planSleep(process: SimulatedProcess): void {
    const random = this.odds.stream(`sleep ${this.processes.length}`);
    if (this.odds.happens("the machine sleeps", random, this.setting.crashes && !this.isStopped))
      process.later(() => this.schedule.clock.skip(SLEEP_MS));
  }

  #ports(process: SimulatedProcess): SimulationPorts {
    const mood = this.odds.stream("observers");
    return {
      clock: process.clock,
      random: this.odds.stream(this.processes.length === 1 ? "flow" : `flow ${this.processes.length}`),
      scheduler: process.scheduler,
      recorder: (record) => this.#note(process, record),
      middlewares: [
        (event) => void process.events.push(event),
        () => {
          if (this.odds.happens("an observer throws", mood)) throw new Error("Simulated fault: an observer throws");
        },
      ],
      stateStore: faultyStateStore(new MemoryStateStore(), this.#faulty("store")),
      messageBus: faultyMessageBus(
        { publish: async (batch) => void this.envelopes.push(...batch) },
        this.#faulty("bus"),
      ),
      logger: SILENT,
    };
  }

  #tools(): SimulationTools {
    return {
      seed: this.setting.seed,
      random: this.odds.stream("tools"),
      faulty: (transport) => faultyRemoteTransport(transport, this.#faulty("transport", FAULTS_OF_TRANSPORTS)),
      checkpoints: this.checkpoints,
    };
  }

  #faulty(adapter: string, faults = FAULTS_OF_CALLS) {
    const kindOf = (fault: AdapterFault): string => `a call of a ${adapter} is ${fault}`;
    return {
      random: this.odds.stream(adapter),
      rate: this.odds.rateOf(adapter, faults.map(kindOf)),
      clock: this.process.clock,
      onFault: (fault: AdapterFault) => this.odds.count(kindOf(fault)),
    };
  }

  /** Runs a caller's action as soon as a flow is available. */
  whenUp(act: () => void): void {
    if (this.flow.isRunning && !this.process.hasEnded && !this.process.isLeaving) act();
    else this.#postponed.push(act);
  }

  #note(process: SimulatedProcess, record: TraceRecord): void {
    if (process.hasEnded) return;
    process.records.push(record);
    const { tenant, traceId, run } = record;
    const key = keyOf(tenant, traceId);
    if (!process.runs.has(key)) process.runs.set(key, run);
    if (record.type === "restored") add(process.restored, record.node, 1);
    if (record.type === "parked" && record.why === "pause") this.#callers.hearOfPause(process, tenant, traceId);
  }

  /** Runs a handler with injected faults, and records where its messages go. */
  #handle(process: SimulatedProcess, node: SomeNode, ctx: Context, call: () => unknown): unknown {
    if (process.hasEnded) return new Promise(() => {});
    const overdueMs = process.clock.now() - this.checkpoints.leaseEndsAt;
    if (process.hasCheckpoints && overdueMs >= 0)
      this.broken.push(`L10: a handler of "${node.name}" starts ${overdueMs} ms after its process's lease has ended`);
    const engine = Engine.of(ctx);
    if (engine?.durable !== undefined && !engine.isWithin) process.engine = engine;
    this.#noteChoices(ctx);
    const random = this.odds.stream(`${node.name} ${ctx.idempotencyKey} ${ctx.attempt}`);
    const fault = this.#faultOf(node, ctx, random);
    return fault === undefined ? call() : suffer(fault, ctx, call);
  }

  #faultOf(node: SomeNode, ctx: Context, random: Random): Fault | undefined {
    const error = new Error(`Simulated fault at node "${node.name}"`);
    if (this.odds.happens("a handler throws", random)) return { type: "throw", error };
    if (this.odds.happens("a handler throws when its work is done", random)) return { type: "throwAfter", error };
    if (this.odds.happens("a handler is slow", random)) return { type: "slow", byMs: oneOf(DELAYS_MS, random) };
    // only an abort ends the faults below, so they need a timeout or a deadline
    if (node.policy.timeoutMs === undefined && ctx.deadlineAt === undefined) return undefined;
    if (this.odds.happens("a handler hangs", random)) return { type: "hang" };
    if (this.odds.happens("a handler returns too late", random)) return { type: "late" };
    return undefined;
  }

  #noteChoices(ctx: Context): void {
    const attempt = HandlerContext.behind(ctx)?.attempt as Attempt;
    const own = { emit: ctx.emit.bind(ctx), emitNowait: ctx.emitNowait.bind(ctx), emitChunk: ctx.emitChunk.bind(ctx) };
    const note = (to: unknown): void => {
      if (to === undefined) return;
      const { run, lineage } = placeOf(attempt);
      this.choosers.add(`${run} ${lineage}`);
    };
    const noting: typeof own = {
      emit(value, target) {
        note(target?.to);
        return own.emit(value, target);
      },
      emitNowait(value, target) {
        note(target?.to);
        own.emitNowait(value, target);
      },
      emitChunk(chunk) {
        note(chunk.to);
        return own.emitChunk(chunk);
      },
    };
    Object.assign(ctx, noting);
  }

  async playOn(): Promise<void> {
    const didEnd = await this.schedule.playOn(
      () => {
        if (this.isStopped || this.process.hasEnded || !this.flow.isRunning) return;
        this.broken.push(...brokenBounds(this.flow.graph, this.flow.stats(), this.process.restored));
        if (this.broken.length > 0) this.#look();
      },
      () => this.#isQuiet,
    );
    if (!didEnd) this.broken.push("L2: the run does not terminate");
    if (this.broken.length > 0) this.#look();
  }

  /** Whether only the renewal of the checkpoint store's lease is left to wait for. */
  get #isQuiet(): boolean {
    const { hasCheckpoints, hasEnded } = this.process;
    if (!hasCheckpoints || hasEnded || !this.flow.isRunning) return false;
    return this.schedule.clock.timers === 1 && this.flow.stats().timers === 1;
  }

  /** Returns the flow's figures without the renewal of the checkpoint store's lease. */
  #stats(): FlowStats {
    const stats = this.flow.stats();
    return this.checkpoints.isUsed ? { ...stats, timers: stats.timers - 1 } : stats;
  }

  /** Records the load of nodes and edges at the first violation. */
  #look(): void {
    if (this.held === "" && this.flow.isRunning) this.held = describeStats(this.flow.stats());
  }

  /** Tracks a wait until it settles. */
  watch(what: string, wait: Promise<unknown>): void {
    const { waits } = this.process;
    const id = this.#waits++;
    waits.set(id, what);
    wait
      .catch((error: unknown) => {
        if (!(error instanceof FlowError) && error !== LEFT)
          this.broken.push(`L2: ${what} failed with ${String(error)}`);
      })
      .finally(() => waits.delete(id));
  }
}

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
