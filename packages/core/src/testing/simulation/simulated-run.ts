import { fnv1a } from "../../foundation/fnv.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { type Random, seededRandom } from "../../foundation/random.ts";
import type { Logger } from "../../events/logger.ts";
import { ROOKERY } from "../../graph/endpoints.ts";
import type { SomeNode } from "../../graph/graph.ts";
import type { Context } from "../../graph/handler.ts";
import { wrapHandler } from "../../graph/node.ts";
import { MemoryStateStore } from "../../memory/memory-state-store.ts";
import { FinalAnswer } from "../../message/controller.ts";
import { Message } from "../../message/message.ts";
import type { FinalOutcome, Outcome, OutcomeStatus, PauseTicket } from "../../message/outcome.ts";
import type { Outbox } from "../../ports/outbox.ts";
import type { BusEnvelope } from "../../ports/message-bus.ts";
import type { TraceRecord } from "../../ports/trace-recorder.ts";
import type { Attempt } from "../../engine/state/attempt.ts";
import type { Flow } from "../../flow/flow.ts";
import type { FlowStats } from "../../engine/flow-stats.ts";
import { HandlerContext } from "../../engine/context/handler-context.ts";
import { Engine } from "../../engine/engine.ts";
import { statsOf } from "../../engine/flow-stats.ts";
import { placeOf } from "../../engine/observe/reporter.ts";
import { type Fault, suffer } from "../kit/fault.ts";
import { faultyMessageBus, faultyRemoteTransport, faultyStateStore } from "../kit/faulty-adapters.ts";
import { lawShapeOf, UNKNOWN_SHAPE } from "../laws/graph-law-shape.ts";
import { brokenIntake } from "../laws/intake-laws.ts";
import { brokenCheckpoints } from "../laws/checkpoint-laws.ts";
import { brokenLaws, type LawShape, lineOf, type Restart } from "../laws/record-laws.ts";
import { describeStats } from "../kit/run-one.ts";
import { SeededSchedule } from "./seeded-schedule.ts";
import { SimulatedCheckpointStore } from "./simulated-checkpoint-store.ts";
import { type IntakeItem, SimulatedIntake } from "./simulated-intake.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import type {
  SimulatedRequest,
  SimulatedSignal,
  SimulateOptions,
  SimulationPorts,
  SimulationTools,
} from "./simulate.ts";
import { brokenBounds, brokenEnd, leftBehind } from "../laws/stats-laws.ts";
import { brokenSignals } from "../laws/signal-laws.ts";
import { brokenTurns } from "../laws/turn-laws.ts";

type AnyFlow = Flow<unknown, unknown>;
type AnyOptions = SimulateOptions<unknown, unknown>;

/** The decisions made before a run begins. */
interface Setting {
  readonly seed: number;
  readonly requests: number;
  readonly faults: boolean;
  /** Whether processes of a durable flow crash, and disks are slow. */
  readonly crashes: boolean;
}

const TENANTS = ["tenant-1", "tenant-2", "tenant-3"] as const;

/** Possible rates of a kind of fault. Most runs have few kinds of faults. */
const RATES = [0, 0, 0, 0.03, 0.1, 0.3] as const;

/** Possible rates of a way in which people take their time. */
const HABITS = [0, 0.3, 0.8] as const;

/** Maximum number of crashes in one run. */
const MOST_CRASHES = 5;

/** Seeds whose requests may have given ids, of five. The others stay as they were. */
const ID_SEED = 4;

/** Time for which outcomes are kept, in milliseconds: longer than any run. */
const KEEP_MS = 1e12;
/** Share of the runs of durable flows that have an intake, and of the requests that reach these through it. */
const INTAKE_SHARE = 0.3;
const OFFERED_SHARE = 0.6;
const LANES = 2;

/** More moves than the readers of a stopped flow need to finish their streams. */
const LEISURELY_ROUNDS = 100;

/** Suspension of a process, beyond its lease. */
const SLEEP_MS = 15_000;

const DELAYS_MS = [1, 7, 40, 250, 2_000] as const;

/** A request in flight. */
interface Request {
  readonly message: Message;
  readonly tenant: string;
  readonly traceId: string;
  /** Distinguishes the request from others. */
  readonly key: string;
  /** Signals to be sent into its trace. */
  readonly signals: readonly SimulatedSignal[];
  /** Whether it reaches the flow through the intake. */
  readonly isOffered: boolean;
  hasBegun: boolean;
  /** Whether its results are fetched: unread ones make its trace wait. */
  isEmitted: boolean;
  /** The outcome reported to its caller. */
  told: Told | undefined;
  /** Kind and number of further deliveries with its trace id as `id`; `undefined` for a request without. */
  readonly ofId: { readonly by: "emit" | "call"; readonly redeliveries: number } | undefined;
}

interface Told {
  /** Status of the outcome; unknown for a bare error. */
  readonly status: OutcomeStatus | undefined;
  readonly error: FlowError | undefined;
}

/** One run of a user's flow under a seed, and its findings. */
export class SimulatedRun {
  /** Broken laws, one line each. */
  readonly broken: string[] = [];
  readonly outcomes = new Map<string, number>();
  /** Number of faults by kind. */
  readonly faults = new Map<string, number>();
  /** Load of nodes and edges at the first sign of a violation. */
  held = "";
  readonly #options: AnyOptions;
  readonly #setting: Setting;
  readonly #schedule: SeededSchedule;
  readonly #checkpoints: SimulatedCheckpointStore;
  readonly #processes: SimulatedProcess[] = [];
  /** Records so far; for processes that have ended, only those in the checkpoint store. */
  readonly #history: (TraceRecord | Restart)[] = [];
  /** Random source for the disk and the crashes. */
  readonly #fate: Random;
  #process!: SimulatedProcess;
  #flow!: AnyFlow;
  #unwrap: (() => void)[] = [];
  /** Number of crashes. */
  crashes = 0;
  readonly #random: Random;
  /** Random source for the times of answers and of callers who come back. */
  readonly #answers: Random;
  readonly #latecomers = new Set<Request>();
  /** Whether nothing else happens any more. */
  #isLate = false;
  readonly #rates = new Map<string, number>();
  readonly #envelopes: BusEnvelope[] = [];
  readonly #requests: Request[] = [];
  readonly #intake = new SimulatedIntake<Request>();
  readonly #offers: Random;
  /** Whether some requests reach the flow through the intake, and their outcomes leave through the outbox. */
  #hasIntake = false;
  #waits = 0;
  /** Actions postponed until a process is running again. */
  readonly #postponed: (() => void)[] = [];
  /** Tokens of pauses whose answers are stored. */
  readonly #answered = new Set<string>();
  /** Attempts that have chosen their messages' targets. */
  readonly #choosers = new Set<string>();
  #isStopped = false;

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
    this.#options = options;
    this.#setting = setting;
    this.#random = this.#stream("callers");
    this.#answers = this.#stream("answers");
    this.#schedule = new SeededSchedule(this.#stream("schedule"));
    this.#fate = this.#stream("checkpoints");
    this.#offers = this.#stream("offers");
    this.#checkpoints = this.#makeCheckpoints();
    this.#boot();
    this.#hasIntake = this.#flow.isDurable && this.#stream("intake")() < INTAKE_SHARE;
  }

  /** The complete history, one line each, including records that were not stored. */
  get records(): readonly string[] {
    return this.#processes.flatMap(({ records, stored }, index) => [
      ...(index === 0 ? [] : [lineOf({ type: "restart" })]),
      ...records.map((record, place) =>
        index < this.#processes.length - 1 && place >= stored ? `(lost) ${lineOf(record)}` : lineOf(record),
      ),
    ]);
  }

  /** Number of requests. */
  get requests(): number {
    return this.#requests.length;
  }

  /** Number of handler calls. */
  get attempts(): number {
    return this.#allRecords.filter(({ type }) => type === "started").length;
  }

  get #allRecords(): TraceRecord[] {
    return this.#processes.flatMap(({ records }) => records);
  }

  async #play(): Promise<void> {
    this.#begin();
    this.#planEnd();
    this.#plan();
    await this.#playOn();
    await this.#letCollect();
    await this.#redeliver();
    if (this.#allRecords.length === 0 && !this.#checkpoints.isUsed)
      throw new TypeError('Option "flow" of simulate must pass its ports on: create(…, { ...ports })');
    this.#watch("flush", this.#flow.flush());
    await this.#playOn();
    for (const what of this.#process.waits.values())
      this.broken.push(`L2: ${what} has not settled; a handler may be waiting outside of ctx and the ports`);
    if (this.#process.waits.size === 0) this.broken.push(...brokenEnd(this.#stats()));
    if (this.broken.length > 0) this.#look();
    this.#isStopped = true;
    this.#watch("stop", this.#flow.stop());
    await this.#playOn();
    for (const what of this.#process.waits.values())
      this.broken.push(`L2: ${what} has not settled though the flow was stopped`);
    this.#history.push(...this.#process.records);
    this.#checkRecords();
    this.#checkTenants();
    if (this.#checkpoints.isUsed) await this.#checkCheckpoints();
    if (this.broken.length === 0) await this.#checkByUser();
  }

  /** Delivers each message of an id once more: its caller is told what is kept of it. */
  async #redeliver(): Promise<void> {
    for (const request of this.#requests)
      if (request.ofId?.by === "call" && request.hasBegun && this.#flow.isRunning) {
        const { message, traceId } = request;
        const outcome = this.#flow.outcome(message, { id: traceId, keepMs: KEEP_MS });
        this.#watch(`the last delivery of ${nameOf(request)}`, this.#learn(request, outcome));
      }
    await this.#playOn();
  }

  /** Creates the flow, in a process of its own. */
  #boot(): void {
    const process = new SimulatedProcess(this.#schedule);
    this.#process = process;
    this.#processes.push(process);
    this.#flow = this.#options.flow(this.#ports(process), this.#tools());
    for (const unwrap of this.#unwrap) unwrap();
    this.#unwrap = this.#flow.graph.vertices.map(({ node }) =>
      wrapHandler(node, (_input, ctx, call) => this.#handle(process, node, ctx, call)),
    );
  }

  /** Runs the flow of the current process. */
  #begin(): void {
    const { resources } = this.#options;
    const [flow, process] = [this.#flow, this.#process];
    flow.run(this.#hasIntake ? { resources, outbox: this.#outbox(process) } : { resources });
    const leave = async (): Promise<void> => {
      // a flow stops by itself when its disk does not answer
      if ((await flow.closed) !== undefined && !process.hasEnded && !this.#isStopped) this.#leave();
    };
    void leave();
    if (!this.#hasIntake) return;
    const read = async (): Promise<void> => {
      const consumed = await flow.consumed();
      if (process.hasEnded) return;
      process.readsIntake = true;
      for (const item of this.#intake.after(consumed)) this.#accept(item);
    };
    this.#watch("a look at the intake", read());
  }

  /** Makes the outbox of a process, which is slow and refuses outcomes at times. */
  #outbox(process: SimulatedProcess): Outbox {
    const random = this.#stream(`outbox ${this.#processes.length}`);
    const strikes = (kind: string): boolean => !this.#isStopped && this.#happens(kind, random, this.#setting.crashes);
    const receive = (outcome: FinalOutcome): void => {
      const { tenant, traceId, status } = outcome;
      const request = this.#requests.find(({ key }) => key === keyOf(tenant, traceId)) as Request;
      this.#intake.deliver(request, outcome);
      this.#tell(process, request, status, errorOf(outcome));
    };
    return {
      deliver: (outcome) =>
        new Promise<void>((resolve, reject) =>
          process.later(
            () => {
              if (strikes("an outbox refuses an outcome")) {
                reject(new Error("Simulated fault: the outbox refuses an outcome"));
                return;
              }
              receive(outcome);
              process.later(resolve);
            },
            strikes("an outbox is slow") ? oneOf(DELAYS_MS, random) : 0,
          ),
        ),
      pause: (_pause, { tenant, traceId }) => process.later(() => this.#answer(tenant, traceId)),
    };
  }

  /** Offers a request to the intake, which takes it whether a process runs or not. */
  #offer(request: Request): void {
    request.hasBegun = true;
    const times = this.#happens("a request is offered twice", this.#offers, this.#setting.crashes) ? 2 : 1;
    for (let time = 0; time < times; time += 1) {
      const item = this.#intake.offer(request, Math.floor(this.#offers() * LANES));
      if (this.#process.readsIntake) this.#accept(item);
    }
    if (this.#happens("a caller cancels", this.#offers)) {
      const { tenant, traceId } = request;
      this.#schedule.move(() => {
        if (!this.#isStopped)
          this.#whenUp(() => this.#watch(`cancel of ${nameOf(request)}`, this.#flow.cancel(traceId, { tenant })));
      });
    }
  }

  /** Has the flow take an item of the intake. */
  #accept({ request, lane, sequence }: IntakeItem<Request>): void {
    const [flow, process] = [this.#flow, this.#process];
    const accept = async (): Promise<void> => {
      const how = await flow.accept(request.message, { id: request.traceId, consumed: { lane, sequence } });
      if (how === "accepted") this.#checkAccepted(process, request);
    };
    this.#watch(`the acceptance of ${nameOf(request)}`, accept());
  }

  #makeCheckpoints(): SimulatedCheckpointStore {
    return new SimulatedCheckpointStore({
      schedule: this.#schedule,
      id: `checkpoints of seed ${this.#setting.seed}`,
      process: () => this.#process,
      delayMs: () => (this.#strikes("a disk is slow") ? oneOf(DELAYS_MS, this.#fate) : 0),
      refuses: (what) => {
        if (what === "renewal") return this.#strikes("a disk refuses a renewal");
        if (!this.#mayCrash || !this.#strikes("a disk refuses a batch")) return false;
        // a flow that cannot store any more shuts down by itself
        this.#leave();
        return true;
      },
      hangs: () => this.#mayCrash && this.#strikes("a disk does not answer a batch"),
      keepsLease: () => this.#strikes("a lease of a dead process is waited for"),
      ends: (when) => this.#mayCrash && this.#strikes(`the process ends ${when} a batch is stored`),
      kill: (process) => this.#kill(process),
    });
  }

  get #mayCrash(): boolean {
    return this.crashes < MOST_CRASHES && !this.#isStopped;
  }

  #strikes(kind: string): boolean {
    return !this.#isStopped && this.#happens(kind, this.#fate, this.#setting.crashes);
  }

  #kill(process: SimulatedProcess): void {
    if (process.hasEnded) return;
    process.kill();
    this.crashes += 1;
    this.#schedule.move(() => this.#restart());
  }

  /** Shuts the flow down in mid-work, and has another process continue it. */
  #leave(): void {
    const [process, flow] = [this.#process, this.#flow];
    if (process.isLeaving) return;
    process.isLeaving = true;
    this.crashes += 1;
    const stopped = new Promise<void>((resolve) => process.later(resolve)).then(() => flow.stop());
    this.#watch("a stop in the middle", stopped);
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
    const { records, stored } = this.#process;
    const kept = records.slice(0, stored);
    // the signals of a trace are stored with the first message that an edge accepts
    const begun = new Set([...this.#history, ...kept].flatMap((record) => (isOfBegun(record) ? [record.run] : [])));
    this.#history.push(...kept.filter(({ run }) => begun.has(run)), { type: "restart" });
    this.#boot();
    this.#begin();
    this.#planEnd();
    const accepted = new Set(this.#storedKeys("accepted"));
    for (const request of this.#requests) {
      if (!request.hasBegun || request.isOffered) continue;
      const { tenant, traceId, key } = request;
      if (accepted.has(key)) {
        if (request.ofId === undefined) this.#collect(request);
        else this.#process.later(() => this.#send(request));
        this.#process.later(() => this.#answer(tenant, traceId));
        if (request.signals.length > 0) this.#process.later(() => this.#signalAgain(request));
      } else if (request.told === undefined) this.#process.later(() => this.#send(request));
    }
    for (const act of this.#postponed.splice(0)) this.#process.later(act);
  }

  /** Returns the keys of the requests with a stored record of this type. */
  #storedKeys(type: TraceRecord["type"]): string[] {
    return this.#history.flatMap((record) =>
      record.type !== "restart" && record.type === type ? [keyOf(record.tenant, record.traceId)] : [],
    );
  }

  /** Schedules a possible end of the process: a crash or an orderly shutdown. */
  #planEnd(): void {
    const process = this.#process;
    if (this.#flow.isDurable) this.#planSleep(process);
    if (!this.#checkpoints.isUsed || !this.#mayCrash) return;
    if (this.#strikes("the process ends at any time")) process.later(() => this.#kill(process));
    if (this.#strikes("the flow is stopped and runs again"))
      process.later(() => {
        if (this.#mayCrash) this.#leave();
      });
  }

  /** Schedules a possible suspension of the machine: no timer of the process fires meanwhile. */
  #planSleep(process: SimulatedProcess): void {
    const random = this.#stream(`sleep ${this.#processes.length}`);
    if (this.#happens("the machine sleeps", random, this.#setting.crashes && !this.#isStopped))
      process.later(() => this.#schedule.clock.skip(SLEEP_MS));
  }

  /** Returns random numbers for one purpose, so that an additional draw here changes nothing elsewhere. */
  #stream(purpose: string): Random {
    return seededRandom(fnv1a(`${this.#setting.seed} ${purpose}`) >>> 0);
  }

  /** Whether a fault of a kind occurs now. The seed determines the kinds of a run and their rates. */
  #happens(kind: string, random: Random, mayHappen = this.#setting.faults, rates: readonly number[] = RATES): boolean {
    if (!mayHappen) return false;
    let rate = this.#rates.get(kind);
    if (rate === undefined) this.#rates.set(kind, (rate = oneOf(rates, this.#stream(`rate of ${kind}`))));
    if (random() >= rate) return false;
    this.#count(kind);
    return true;
  }

  /** Whether someone takes their time, which is no fault. */
  #isUnhurried(kind: string, random: Random): boolean {
    return this.#happens(kind, random, this.#setting.crashes, HABITS);
  }

  #count(kind: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }

  #ports(process: SimulatedProcess): SimulationPorts {
    const mood = this.#stream("observers");
    return {
      clock: process.clock,
      random: this.#stream(this.#processes.length === 1 ? "flow" : `flow ${this.#processes.length}`),
      scheduler: process.scheduler,
      recorder: (record) => this.#note(process, record),
      middlewares: [
        (event) => void process.events.push(event),
        () => {
          if (this.#happens("an observer throws", mood)) throw new Error("Simulated fault: an observer throws");
        },
      ],
      stateStore: faultyStateStore(new MemoryStateStore(), this.#faulty("store")),
      messageBus: faultyMessageBus(
        { publish: async (batch) => void this.#envelopes.push(...batch) },
        this.#faulty("bus"),
      ),
      logger: SILENT,
    };
  }

  #tools(): SimulationTools {
    return {
      seed: this.#setting.seed,
      random: this.#stream("tools"),
      faulty: (transport) => faultyRemoteTransport(transport, this.#faulty("transport")),
      checkpoints: this.#checkpoints,
    };
  }

  #faulty(adapter: string) {
    const rate = this.#setting.faults ? oneOf(RATES, this.#stream(`rate of ${adapter}`)) : 0;
    return {
      random: this.#stream(adapter),
      rate,
      clock: this.#process.clock,
      onFault: (fault: string) => this.#count(`a call of a ${adapter} is ${fault}`),
    };
  }

  /** Draws the requests and their times. */
  #plan(): void {
    const count = 1 + Math.floor(this.#random() * this.#setting.requests);
    const [inputs, signals] = [this.#stream("inputs"), this.#stream("signals")];
    const ids = this.#stream("ids");
    // a join of an emitted trace waits for further messages
    const mayEmit = this.#flow.graph.vertices.every(({ node }) => node.gathering === undefined);
    for (let index = 0; index < count; index += 1) {
      const input = this.#options.input(inputs, index);
      const given = input instanceof Message ? (input as Message) : undefined;
      const tenant = given?.headers.tenant ?? oneOf(TENANTS, this.#random);
      const last = this.#requests.at(-1);
      // tenants may choose the same id
      const isShared = last !== undefined && last.tenant !== tenant && this.#random() < 0.2;
      const isFree = isShared && this.#requests.every(({ key }) => key !== keyOf(tenant, last.traceId));
      const traceId = isFree ? last.traceId : `request-${index + 1}`;
      const delayMs = this.#happens("a caller sets a deadline", this.#random)
        ? oneOf(DELAYS_MS, this.#random)
        : undefined;
      const message = new Message({
        payload: given === undefined ? input : given.payload,
        headers: given?.headers ?? { tenant },
        traceId,
        createdAt: this.#schedule.clock.epochNow(),
        deadlineAt: delayMs === undefined ? given?.deadlineAt : this.#schedule.clock.epochNow() + delayMs,
        meta: given?.meta,
      });
      const key = keyOf(tenant, traceId);
      const isOffered = this.#hasIntake && this.#offers() < OFFERED_SHARE;
      const ofId =
        isOffered || this.#setting.seed % 5 !== ID_SEED || ids() < 0.3
          ? undefined
          : { by: mayEmit && ids() < 0.3 ? ("emit" as const) : ("call" as const), redeliveries: Math.floor(ids() * 3) };
      const request: Request = {
        message,
        tenant,
        traceId,
        key,
        signals: this.#options.signals?.(signals, index) ?? [],
        isOffered,
        hasBegun: false,
        isEmitted: false,
        told: undefined,
        ofId,
      };
      this.#requests.push(request);
      for (let delivery = 0; delivery <= (ofId?.redeliveries ?? 0); delivery += 1)
        this.#schedule.move(() => {
          if (isOffered) this.#offer(request);
          else this.#whenUp(() => this.#send(request));
        });
    }
  }

  /** Runs a caller's action as soon as a flow is available. */
  #whenUp(act: () => void): void {
    if (this.#flow.isRunning && !this.#process.hasEnded && !this.#process.isLeaving) act();
    else this.#postponed.push(act);
  }

  #send(request: Request): void {
    const { message, tenant, traceId } = request;
    const [flow, process] = [this.#flow, this.#process];
    request.hasBegun = true;
    const abort = new AbortController();
    const what = nameOf(request);
    if (this.#happens("a caller aborts", this.#random))
      process.later(() => abort.abort(new Error("The caller has left")));
    if (this.#happens("a caller cancels", this.#random))
      this.#schedule.move(() => {
        if (!this.#isStopped)
          this.#whenUp(() => this.#watch(`cancel of ${what}`, this.#flow.cancel(traceId, { tenant })));
      });
    for (const signal of request.signals)
      this.#schedule.move(() => {
        // after a restart, those that are not stored are sent again
        if (this.#process === process) this.#signal(request, signal);
      });
    // a join of an emitted trace waits for further messages
    const mayEmit = flow.graph.vertices.every(({ node }) => node.gathering === undefined);
    const { ofId } = request;
    const kind = ofId?.by === "emit" ? 1 : this.#random() * (ofId === undefined ? 1 : 0.85);
    const options = { signal: abort.signal, ...(ofId === undefined ? {} : { id: traceId, keepMs: KEEP_MS }) };
    if (kind < 0.4) this.#watch(what, this.#learn(request, flow.outcome(message, options)));
    else if (kind < 0.6 || (!mayEmit && kind >= 0.85))
      this.#watch(what, this.#learnCall(request, flow.call(message, options)));
    else if (kind < 0.85) this.#watch(what, this.#learnCall(request, this.#read(request, options)));
    else {
      request.isEmitted = true;
      this.#watch(what, this.#emit(request, options));
    }
  }

  /** Sends a signal, and checks that it is stored when its sender is told so. */
  #signal(request: Request, signal: SimulatedSignal): void {
    const [flow, process] = [this.#flow, this.#process];
    if (this.#isStopped || process.hasEnded || process.isLeaving || !flow.isRunning) return;
    const { tenant, traceId } = request;
    const { name, value } = signal;
    const send = async (): Promise<void> => {
      await flow.signal(traceId, name, value, { tenant });
      this.#count("a signal is sent");
      if (!this.#checkpoints.isUsed) return;
      const ofRun = process.records.filter(({ run }) => run === process.runs.get(request.key));
      const isStored = process.records.slice(0, process.stored).some((record) => isOf(signal, record));
      // the signals of a trace that has ended need not be stored
      if (!isStored && ofRun.at(-1)?.type !== "ended")
        this.broken.push(`L10: a signal to ${nameOf(request)} counts as accepted before it is stored`);
    };
    this.#watch(`signal "${name}" to ${nameOf(request)}`, send());
  }

  /** Sends the signals of which a crash has left nothing. */
  #signalAgain(request: Request): void {
    const stored = this.#history.filter(
      (record) => record.type === "signalled" && keyOf(record.tenant, record.traceId) === request.key,
    );
    for (const signal of request.signals) {
      const index = stored.findIndex((record) => isOf(signal, record));
      if (index === -1) this.#signal(request, signal);
      else stored.splice(index, 1);
    }
  }

  /** Waits for a request's outcome, and checks that it was stored before its caller received it. */
  async #learn(request: Request, waiting: Promise<Outcome>): Promise<void> {
    const process = this.#process;
    const outcome = await waiting;
    if (outcome.status === "paused") this.#collect(request);
    else if (outcome.status !== "stopped") this.#tell(process, request, outcome.status, errorOf(outcome));
  }

  async #learnCall(request: Request, waiting: Promise<unknown>): Promise<void> {
    const process = this.#process;
    try {
      await waiting;
      this.#tell(process, request, "completed", undefined);
    } catch (error) {
      if (error instanceof FlowError && error.code === FlowErrorCode.TRACE_PAUSED) this.#collect(request);
      // the trace may have paused before its reader left, or pause later: its results are kept then
      else if (error === LEFT) this.#latecomers.add(request);
      else if (error instanceof FlowError && !UNDECIDED.has(error.code) && !isOwnLeave(request, error))
        this.#tell(process, request, undefined, error);
      throw error;
    }
  }

  #tell(
    process: SimulatedProcess,
    request: Request,
    status: OutcomeStatus | undefined,
    error: FlowError | undefined,
  ): void {
    request.told = { status, error };
    if (!this.#checkpoints.isUsed) return;
    const run = process.runs.get(request.key);
    const isOfRun = (record: TraceRecord): boolean => isOfBegun(record) && record.run === run;
    const ofRun = process.records.filter(isOfRun);
    const unstored = process.records.slice(process.stored).filter(isOfRun);
    // a trace that ended before any of its commits was stored need not be stored
    if (unstored.length === ofRun.length && unstored.every(({ type }) => type !== "committed")) return;
    for (const record of unstored)
      if (record.type === "committed" || record.type === "ended")
        this.broken.push(`L10: the caller of ${nameOf(request)} was told before it was stored: ${lineOf(record)}`);
  }

  /** Checks that a delivered result is stored. */
  #tellResult(process: SimulatedProcess, request: Request, payload: unknown): void {
    // the closing text of an exhausted trace is created for its reader
    if (!this.#checkpoints.isUsed || payload instanceof FinalAnswer) return;
    // several readers of one id are given the same results
    if (request.ofId?.by === "call") return;
    const { key } = request;
    add(process.told, key, 1);
    let stored = 0;
    for (const record of [...this.#history, ...process.records.slice(0, process.stored)])
      if ((record.type === "emitted" || record.type === "committed") && keyOf(record.tenant, record.traceId) === key)
        stored += record.outputs.filter(({ node }) => node === ROOKERY).length;
    if ((process.told.get(key) as number) > stored)
      this.broken.push(`L10: a result of ${nameOf(request)} was given out before it was stored`);
  }

  /** Reads a stream at the reader's pace, occasionally not to its end. */
  async #read(request: Request, options: { readonly signal: AbortSignal }): Promise<void> {
    const { message, traceId } = request;
    const process = this.#process;
    const leaves = this.#happens("a reader leaves", this.#random);
    const onLeave = this.#random() < 0.5 ? "cancel" : "detach";
    const heard = new Set<string>();
    try {
      for await (const item of this.#flow.stream(message, { ...options, onLeave })) {
        if (item.type === "pause") {
          const { token, reason } = item.pause;
          if (heard.has(token)) this.broken.push(`L2: the stream of "${traceId}" has the pause "${reason}" twice`);
          heard.add(token);
        } else {
          const { traceId: from } = item.type === "chunk" ? item.chunk : item.message;
          if (from !== traceId) this.broken.push(`L11: the stream of "${traceId}" has an item of "${from}"`);
        }
        if (item.type === "result") this.#tellResult(process, request, item.message.payload);
        if (leaves) throw LEFT;
        await new Promise<void>((resolve) => this.#schedule.move(resolve));
      }
    } catch (error) {
      for (const { token, reason } of pausesOf(error))
        if (!heard.has(token)) this.broken.push(`L2: the stream of "${traceId}" ended without the pause "${reason}"`);
      throw error;
    }
  }

  /** Emits a message and fetches until nothing is left. */
  async #emit(request: Request, options: { readonly signal: AbortSignal }): Promise<void> {
    const process = this.#process;
    await this.#flow.emit(request.message, options);
    if (this.#checkpoints.isUsed) this.#checkAccepted(process, request);
    await this.#fetchAll(request);
  }

  #checkAccepted({ records, stored, runs }: SimulatedProcess, request: Request): void {
    const ofRun = records.filter(({ run }) => run === runs.get(request.key));
    const place = records.findIndex((record) => record.type === "accepted" && ofRun.includes(record));
    // a trace cancelled immediately need not be stored
    const isNothing = ofRun.at(-1)?.type === "ended" && ofRun.every(({ type }) => type !== "committed");
    if (place >= stored && !isNothing)
      this.broken.push(`L10: ${nameOf(request)} counts as accepted before it is stored`);
  }

  async #fetchAll(request: Request): Promise<void> {
    const { tenant, traceId } = request;
    const [flow, process] = [this.#flow, this.#process];
    for (;;) {
      const item = await flow.fetch({ traceId, tenant });
      if (!(item instanceof Message)) continue;
      if (item.headers.tenant !== tenant) this.broken.push(`L11: ${tenant} fetched a result of ${item.headers.tenant}`);
      this.#tellResult(process, request, item.payload);
    }
  }

  /** Fetches the remaining results of a request whose caller has stopped waiting: now, or when all else has happened. */
  #collect(request: Request): void {
    // its outcome is kept for its id, and asked for by the next delivery
    if (request.ofId?.by === "call") return;
    if (!this.#isLate && !request.isEmitted && this.#isUnhurried("a caller comes back late", this.#answers)) {
      this.#latecomers.add(request);
      return;
    }
    this.#watch(`collecting the results of ${nameOf(request)}`, this.#fetchAll(request));
  }

  /** Lets callers come back that nothing waited for. A trace that has not ended by now never will. */
  async #letCollect(): Promise<void> {
    this.#isLate = true;
    const ended = new Set(
      this.#allRecords.flatMap(({ type, tenant, traceId }) => (type === "ended" ? [keyOf(tenant, traceId)] : [])),
    );
    const latecomers = [...this.#latecomers].filter(({ key }) => ended.has(key));
    for (const request of latecomers) this.#whenUp(() => this.#collect(request));
    if (latecomers.length > 0) await this.#playOn();
  }

  /** Answers the pauses of a trace. */
  #answer(tenant: string, traceId: string): void {
    if (this.#isStopped || !this.#flow.isRunning) return;
    const [flow, process] = [this.#flow, this.#process];
    const { answer = () => true } = this.#options;
    const answered = new Set(this.#answered);
    const ask = async (): Promise<void> => {
      for (const ticket of await flow.pauses.list({ tenant, traceId })) {
        const { token, expiresAt } = ticket;
        if (
          expiresAt !== undefined &&
          this.#isUnhurried("a pause is not answered", this.#stream(`silence of ${token}`))
        )
          continue;
        if (answered.has(token)) this.broken.push(`L10: the answer to "${ticket.reason}" is asked for again`);
        const resume = async (): Promise<void> => {
          const outcome = await flow.pauses.resume(token, answer(ticket, this.#stream(token)), { tenant });
          if (outcome.status === "stopped") return;
          this.#answered.add(token);
          this.#count("a pause is answered");
          const request = this.#requests.find(({ key }) => key === keyOf(tenant, traceId));
          if (request !== undefined && outcome.status !== "paused")
            this.#tell(process, request, outcome.status, errorOf(outcome));
        };
        this.#watch(`the answer to "${ticket.reason}" of "${traceId}" of ${tenant}`, resume());
      }
    };
    this.#watch(`a look at the pauses of "${traceId}" of ${tenant}`, ask());
  }

  #note(process: SimulatedProcess, record: TraceRecord): void {
    if (process.hasEnded) return;
    process.records.push(record);
    const { tenant, traceId, run } = record;
    const key = keyOf(tenant, traceId);
    if (!process.runs.has(key)) process.runs.set(key, run);
    if (record.type === "restored") add(process.restored, record.node, 1);
    // the outbox announces the pauses of an accepted request
    const isAnnounced = this.#hasIntake && this.#requests.some((request) => request.key === key && request.isOffered);
    if (record.type === "parked" && record.why === "pause" && !isAnnounced) {
      const isSlow = this.#isUnhurried("an answer takes its time", this.#answers);
      process.later(() => this.#answer(tenant, traceId), isSlow ? oneOf(DELAYS_MS, this.#answers) : 0);
    }
  }

  /** Runs a handler with injected faults, and records where its messages go. */
  #handle(process: SimulatedProcess, node: SomeNode, ctx: Context, call: () => unknown): unknown {
    if (process.hasEnded) return new Promise(() => {});
    const overdueMs = process.clock.now() - this.#checkpoints.leaseEndsAt;
    if (process.hasCheckpoints && overdueMs >= 0)
      this.broken.push(`L10: a handler of "${node.name}" starts ${overdueMs} ms after its process's lease has ended`);
    const engine = Engine.of(ctx);
    if (engine?.durable !== undefined && !engine.isWithin) process.engine = engine;
    this.#noteChoices(ctx);
    const random = this.#stream(`${node.name} ${ctx.idempotencyKey} ${ctx.attempt}`);
    const fault = this.#faultOf(node, ctx, random);
    return fault === undefined ? call() : suffer(fault, ctx, call);
  }

  #faultOf(node: SomeNode, ctx: Context, random: Random): Fault | undefined {
    const error = new Error(`Simulated fault at node "${node.name}"`);
    if (this.#happens("a handler throws", random)) return { type: "throw", error };
    if (this.#happens("a handler throws when its work is done", random)) return { type: "throwAfter", error };
    if (this.#happens("a handler is slow", random)) return { type: "slow", byMs: oneOf(DELAYS_MS, random) };
    // only an abort ends the faults below, so they need a timeout or a deadline
    if (node.policy.timeoutMs === undefined && ctx.deadlineAt === undefined) return undefined;
    if (this.#happens("a handler hangs", random)) return { type: "hang" };
    if (this.#happens("a handler returns too late", random)) return { type: "late" };
    return undefined;
  }

  #noteChoices(ctx: Context): void {
    const attempt = HandlerContext.behind(ctx)?.attempt as Attempt;
    const own = { emit: ctx.emit.bind(ctx), emitNowait: ctx.emitNowait.bind(ctx), emitChunk: ctx.emitChunk.bind(ctx) };
    const note = (to: unknown): void => {
      if (to === undefined) return;
      const { run, lineage } = placeOf(attempt);
      this.#choosers.add(`${run} ${lineage}`);
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

  async #playOn(): Promise<void> {
    const didEnd = await this.#schedule.playOn(
      () => {
        if (this.#isStopped || this.#process.hasEnded || !this.#flow.isRunning) return;
        this.broken.push(...brokenBounds(this.#flow.graph, this.#flow.stats(), this.#process.restored));
        if (this.broken.length > 0) this.#look();
      },
      () => this.#isQuiet,
    );
    if (!didEnd) this.broken.push("L2: the run does not terminate");
    if (this.broken.length > 0) this.#look();
  }

  /** Whether only the renewal of the checkpoint store's lease is left to wait for. */
  get #isQuiet(): boolean {
    const { hasCheckpoints, hasEnded } = this.#process;
    if (!hasCheckpoints || hasEnded || !this.#flow.isRunning) return false;
    return this.#schedule.clock.timers === 1 && this.#flow.stats().timers === 1;
  }

  /** Returns the flow's figures without the renewal of the checkpoint store's lease. */
  #stats(): FlowStats {
    const stats = this.#flow.stats();
    return this.#checkpoints.isUsed ? { ...stats, timers: stats.timers - 1 } : stats;
  }

  /** Records the load of nodes and edges at the first violation. */
  #look(): void {
    if (this.held === "" && this.#flow.isRunning) this.held = describeStats(this.#flow.stats());
  }

  /** Tracks a wait until it settles. */
  #watch(what: string, wait: Promise<unknown>): void {
    const { waits } = this.#process;
    const id = this.#waits++;
    waits.set(id, what);
    wait
      .catch((error: unknown) => {
        if (!(error instanceof FlowError) && error !== LEFT)
          this.broken.push(`L2: ${what} failed with ${String(error)}`);
      })
      .finally(() => waits.delete(id));
  }

  /** Returns the run of each request: the first with its id and tenant; later ones belong to its playbooks. */
  #runs(): Map<string, Request> {
    const first = new Map<string, number>();
    const accepted = new Set(this.#storedKeys("accepted"));
    for (const record of this.#history) {
      if (record.type === "restart") continue;
      const { run } = record;
      // a request that ended before it was accepted may have been sent again
      if (record.type !== "accepted" && accepted.has(keyOf(record.tenant, record.traceId))) continue;
      const key = keyOf(record.tenant, record.traceId);
      first.set(key, Math.min(first.get(key) ?? Number.POSITIVE_INFINITY, Number.parseInt(run, 36)));
    }
    return new Map(this.#requests.map((request) => [(first.get(request.key) ?? -1).toString(36), request]));
  }

  #checkRecords(): void {
    const runs = this.#runs();
    const shape = lawShapeOf(this.#flow.graph, this.#choosers, TENANTS);
    const shapeOf = (run: string): LawShape => (runs.has(run) ? shape : UNKNOWN_SHAPE);
    const [first, { records, events }] = [this.#processes[0] as SimulatedProcess, this.#process];
    // in a process that continues stored work, waiting times are unknown
    this.broken.push(...brokenLaws(this.#history, shapeOf), ...brokenTurns(first.records, shapeOf));
    this.broken.push(...brokenSignals(this.#history));
    const dropped = new Map<string, number>();
    for (const record of records)
      if (record.type === "dropped") add(dropped, `${record.node} of "${record.traceId}" of ${record.tenant}`, 1);
    for (const event of events)
      if (event.type === "message_drop" || event.type === "deadline_skip")
        add(dropped, `${event.node} of "${event.traceId}" of ${event.tenant}`, -1);
    for (const [place, left] of dropped)
      if (left > 0) this.broken.push(`L1: ${left} messages were dropped at ${place} without an event`);
  }

  /** Checks L11: each observer of a request sees it under the request's tenant. */
  #checkTenants(): void {
    const known = new Set(this.#requests.map(({ key }) => key));
    const told = this.#processes.flatMap(({ events, records }) => [...events, ...records]);
    for (const { tenant, traceId } of [...told, ...this.#envelopes])
      if (!known.has(keyOf(tenant, traceId)))
        this.broken.push(`L11: something is told of request "${traceId}" of ${tenant}, which there is not`);
    for (const { tenant, headers, edge } of this.#envelopes)
      if (tenant !== headers.tenant)
        this.broken.push(`L11: a message of ${headers.tenant} goes over ${edge} for ${tenant}`);
  }

  async #checkCheckpoints(): Promise<void> {
    const runs = this.#runs();
    const known = new Set(this.#history.flatMap((record) => ("run" in record ? Number.parseInt(record.run, 36) : [])));
    const stored = await this.#checkpoints.read(known);
    this.broken.push(...brokenCheckpoints(this.#history, new Set(runs.keys()), stored));
    if (this.#hasIntake) this.#checkIntake(stored.consumed);
    const accepted = new Set(this.#storedKeys("accepted"));
    for (const record of this.#history) {
      const request = record.type === "ended" ? runs.get(record.run) : undefined;
      // a request that was never accepted may have been sent, and have ended, in several processes
      if (record.type !== "ended" || request?.told === undefined || !accepted.has(request.key)) continue;
      const { told } = request;
      const { outcome, traceId, tenant } = record;
      const isSame = isToldOf(told, outcome) || this.#earlier(request).some((earlier) => isToldOf(told, earlier));
      if (!isSame)
        this.broken.push(
          `L10: request "${traceId}" of ${tenant} is ${outcome.status}, and its caller was told ${told.status ?? told.error?.code}`,
        );
    }
  }

  /** Returns the outcomes of the traces with a request's id that ended before they were accepted: it was free again. */
  #earlier({ ofId, key }: Request): FinalOutcome[] {
    if (ofId === undefined) return [];
    const accepted = new Set(this.#history.flatMap((record) => (record.type === "accepted" ? [record.run] : [])));
    return this.#allRecords.flatMap((record) => {
      if (record.type !== "ended" || keyOf(record.tenant, record.traceId) !== key) return [];
      return accepted.has(record.run) ? [] : [record.outcome];
    });
  }

  #checkIntake(consumed: ReadonlyMap<number, number>): void {
    const offered = this.#requests.filter(({ isOffered, hasBegun }) => isOffered && hasBegun);
    const entries = this.#flow.graph.vertices.filter(({ isIngress }) => isIngress).map(({ node }) => node.name);
    this.broken.push(
      ...brokenIntake(this.#history, {
        requests: offered.map((request) => ({
          name: nameOf(request),
          tenant: request.tenant,
          traceId: request.traceId,
          input: request.message.payload,
          delivered: this.#intake.delivered.get(request) ?? [],
        })),
        left: this.#intake
          .after(consumed)
          .map(({ request, lane, sequence }) => `item ${sequence} of lane ${lane}, ${nameOf(request)},`),
        entries: new Set(entries),
      }),
    );
  }

  async #checkByUser(): Promise<void> {
    const outcomes = new Map<string, FinalOutcome>();
    const results = new Map<string, unknown[]>();
    for (const record of this.#history) {
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
      add(this.outcomes, status, 1);
      const error = errorOf(outcome);
      requests.push({ input: message.payload, tenant, traceId, status, results: results.get(run) ?? [], error });
    }
    try {
      await this.#options.check?.(requests);
    } catch (error) {
      this.broken.push(`Your check: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** Codes that do not decide the trace: it continues when the flow runs again, or was never started. */
const UNDECIDED: ReadonlySet<string> = new Set([
  "FLOW_STOPPED",
  "FLOW_NOT_RUNNING",
  "TRACE_UNWINDING",
  "CHECKPOINT_FAILED",
  "PARTITION_FENCED",
  "PARTITION_LEASED",
]);

/** Thrown by a reader that leaves its stream. */
const LEFT = new Error("The reader has left");

function errorOf(outcome: Outcome): FlowError | undefined {
  return outcome.status === "completed" ? undefined : outcome.error;
}

/** Whether a caller was told of this outcome. */
function isToldOf({ status, error }: Told, outcome: FinalOutcome): boolean {
  return (status ?? outcome.status) === outcome.status && error?.code === errorOf(outcome)?.code;
}

/** Whether a caller has left the trace of its id, which goes on. */
function isOwnLeave({ ofId }: Request, { code }: FlowError): boolean {
  return ofId !== undefined && (code === FlowErrorCode.WAIT_ABORTED || code === FlowErrorCode.WAIT_TIMEOUT);
}

const nameOf = ({ tenant, traceId }: Request): string => `request "${traceId}" of ${tenant}`;

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const keyOf = (tenant: string, traceId: string): string => JSON.stringify([tenant, traceId]);

/** Whether a record cannot come before an edge has accepted a message of its trace, or the trace has ended. */
function isOfBegun(record: TraceRecord | Restart): record is Exclude<TraceRecord, { readonly type: "signalled" }> {
  return record.type !== "restart" && record.type !== "signalled";
}

/** Whether a record tells of the signal. */
function isOf({ name, value }: SimulatedSignal, record: TraceRecord | Restart): boolean {
  if (record.type !== "signalled" || record.signal !== name) return false;
  return JSON.stringify(record.value) === JSON.stringify(value);
}

/** Returns the pauses with which the stream of a paused trace ends. */
function pausesOf(error: unknown): readonly PauseTicket[] {
  const isPaused = error instanceof FlowError && error.code === FlowErrorCode.TRACE_PAUSED;
  return isPaused ? (error.details?.["pauses"] as readonly PauseTicket[]) : [];
}

function oneOf<Item>(items: readonly Item[], random: Random): Item {
  return items[Math.floor(random() * items.length)] as Item;
}

function add(counts: Map<string, number>, key: string, number: number): void {
  counts.set(key, (counts.get(key) ?? 0) + number);
}
