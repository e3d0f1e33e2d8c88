import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Random } from "../../foundation/random.ts";
import { ROOKERY } from "../../graph/endpoints.ts";
import { FinalAnswer } from "../../message/controller.ts";
import { Message } from "../../message/message.ts";
import type { FinalOutcome, Outcome, OutcomeStatus, PauseTicket } from "../../message/outcome.ts";
import type { Outbox } from "../../ports/outbox.ts";
import type { TraceRecord } from "../../ports/trace-recorder.ts";
import { lineOf, type Restart } from "../laws/record-laws.ts";
import { hear, patiently } from "./hear.ts";
import { add, DELAYS_MS, oneOf } from "./odds.ts";
import { errorOf, isOfBegun, keyOf, nameOf, type Request, TENANTS } from "./request.ts";
import type { SimulatedSignal } from "./simulate-options.ts";
import { type IntakeItem, SimulatedIntake } from "./simulated-intake.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

/** Seeds whose requests may have given ids, of five. The others stay as they were. */
const ID_SEED = 4;

/** Time for which outcomes are kept, in milliseconds: longer than any run. */
const KEEP_MS = 1e12;

/** Share of the requests that reach a flow with an intake through it. */
const OFFERED_SHARE = 0.6;
const LANES = 2;

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
export const LEFT = new Error("The reader has left");

/** The callers of a simulated flow: they send requests and signals, read, fetch, cancel, answer and come back. */
export class Callers {
  readonly requests: Request[] = [];
  readonly intake = new SimulatedIntake<Request>();
  readonly #world: SimulatedWorld;
  readonly #random: Random;
  /** Random source for the times of answers and of callers who come back. */
  readonly #answers: Random;
  /** Random source for the answers whose traces are read from there on. */
  readonly #followers: Random;
  readonly #offers: Random;
  readonly #latecomers = new Set<Request>();
  /** Whether nothing else happens any more. */
  #isLate = false;
  /** Tokens of pauses whose answers are stored. */
  readonly #answered = new Set<string>();

  constructor(world: SimulatedWorld) {
    this.#world = world;
    this.#random = world.odds.stream("callers");
    this.#answers = world.odds.stream("answers");
    this.#followers = world.odds.stream("followers");
    this.#offers = world.odds.stream("offers");
  }

  /** Takes up everything again in a new process, after a crash or an orderly shutdown. */
  comeBack(): void {
    const { process } = this.#world;
    const accepted = new Set(this.#world.storedKeys("accepted"));
    for (const request of this.requests) {
      if (!request.hasBegun || request.isOffered) continue;
      const { tenant, traceId, key } = request;
      if (accepted.has(key)) {
        if (request.ofId === undefined) this.#collect(request);
        else process.later(() => this.#send(request));
        process.later(() => this.#answer(tenant, traceId));
        if (request.signals.length > 0) process.later(() => this.#signalAgain(request));
      } else if (request.told === undefined) process.later(() => this.#send(request));
    }
  }

  /** Has the flow of a new process read the intake from where the last one was. */
  readIntake(): void {
    const { flow, process } = this.#world;
    const read = async (): Promise<void> => {
      const consumed = await flow.intake.consumed();
      if (process.hasEnded) return;
      process.readsIntake = true;
      for (const item of this.intake.after(consumed)) this.#accept(item);
    };
    this.#world.watch("a look at the intake", read());
  }

  /** Hears that a message is parked for a pause. */
  hearOfPause(process: SimulatedProcess, tenant: string, traceId: string): void {
    const key = keyOf(tenant, traceId);
    // the outbox announces the pauses of an accepted request
    if (this.#world.hasIntake && this.requests.some((request) => request.key === key && request.isOffered)) return;
    const isSlow = this.#world.odds.isUnhurried("an answer takes its time", this.#answers);
    process.later(() => this.#answer(tenant, traceId), isSlow ? oneOf(DELAYS_MS, this.#answers) : 0);
  }

  /** Delivers each message of an id once more: its caller is told what is kept of it. */
  async redeliver(): Promise<void> {
    for (const request of this.requests)
      if (request.ofId?.by === "call" && request.hasBegun && this.#world.flow.isRunning) {
        const { message, traceId } = request;
        const outcome = this.#world.flow.outcome(message, { id: traceId, keepMs: KEEP_MS });
        this.#world.watch(`the last delivery of ${nameOf(request)}`, this.#learn(request, outcome));
      }
    await this.#world.playOn();
  }

  /** Makes the outbox of a process, which is slow and refuses outcomes at times. */
  outbox(process: SimulatedProcess): Outbox {
    const random = this.#world.odds.stream(`outbox ${this.#world.processes.length}`);
    const strikes = (kind: string): boolean =>
      !this.#world.isStopped && this.#world.odds.happens(kind, random, this.#world.setting.crashes);
    const receive = (outcome: FinalOutcome): void => {
      const { tenant, traceId, status } = outcome;
      const request = this.requests.find(({ key }) => key === keyOf(tenant, traceId)) as Request;
      this.intake.deliver(request, outcome);
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
    const times = this.#world.odds.happens("a request is offered twice", this.#offers, this.#world.setting.crashes)
      ? 2
      : 1;
    for (let time = 0; time < times; time += 1) {
      const item = this.intake.offer(request, Math.floor(this.#offers() * LANES));
      if (this.#world.process.readsIntake) this.#accept(item);
    }
    if (this.#world.odds.happens("a caller cancels", this.#offers)) {
      const { tenant, traceId } = request;
      this.#world.schedule.move(() => {
        if (!this.#world.isStopped)
          this.#world.whenUp(() =>
            this.#world.watch(`cancel of ${nameOf(request)}`, this.#world.flow.cancel(traceId, { tenant })),
          );
      });
    }
  }

  /** Has the flow take an item of the intake. */
  #accept({ request, lane, sequence }: IntakeItem<Request>): void {
    const [flow, process] = [this.#world.flow, this.#world.process];
    const accept = async (): Promise<void> => {
      const options = { id: request.traceId, consumed: { lane, sequence } };
      const how = await patiently(this.#world, process, () => flow.intake.accept(request.message, options));
      if (how === "accepted") this.#checkAccepted(process, request);
    };
    this.#world.watch(`the acceptance of ${nameOf(request)}`, accept());
  }

  /** Draws the requests and their times. */
  plan(): void {
    const count = 1 + Math.floor(this.#random() * this.#world.setting.requests);
    const [inputs, signals] = [this.#world.odds.stream("inputs"), this.#world.odds.stream("signals")];
    const ids = this.#world.odds.stream("ids");
    // a join of an emitted trace waits for further messages
    const mayEmit = this.#world.flow.graph.vertices.every(({ node }) => node.gathering === undefined);
    for (let index = 0; index < count; index += 1) {
      const input = this.#world.options.input(inputs, index);
      const given = input instanceof Message ? (input as Message) : undefined;
      const tenant = given?.headers.tenant ?? oneOf(TENANTS, this.#random);
      const last = this.requests.at(-1);
      // tenants may choose the same id
      const isShared = last !== undefined && last.tenant !== tenant && this.#random() < 0.2;
      const isFree = isShared && this.requests.every(({ key }) => key !== keyOf(tenant, last.traceId));
      const traceId = isFree ? last.traceId : `request-${index + 1}`;
      const delayMs = this.#world.odds.happens("a caller sets a deadline", this.#random)
        ? oneOf(DELAYS_MS, this.#random)
        : undefined;
      const message = new Message({
        payload: given === undefined ? input : given.payload,
        headers: given?.headers ?? { tenant },
        traceId,
        createdAt: this.#world.schedule.clock.epochNow(),
        deadlineAt: delayMs === undefined ? given?.deadlineAt : this.#world.schedule.clock.epochNow() + delayMs,
        meta: given?.meta,
      });
      const key = keyOf(tenant, traceId);
      const isOffered = this.#world.hasIntake && this.#offers() < OFFERED_SHARE;
      const ofId =
        isOffered || this.#world.setting.seed % 5 !== ID_SEED || ids() < 0.3
          ? undefined
          : { by: mayEmit && ids() < 0.3 ? ("emit" as const) : ("call" as const), redeliveries: Math.floor(ids() * 3) };
      const request: Request = {
        message,
        tenant,
        traceId,
        key,
        signals: this.#world.options.signals?.(signals, index) ?? [],
        isOffered,
        hasBegun: false,
        isEmitted: false,
        told: undefined,
        ofId,
      };
      this.requests.push(request);
      for (let delivery = 0; delivery <= (ofId?.redeliveries ?? 0); delivery += 1)
        this.#world.schedule.move(() => {
          if (isOffered) this.#offer(request);
          else this.#world.whenUp(() => this.#send(request));
        });
    }
  }

  #send(request: Request): void {
    const { message, tenant, traceId } = request;
    const [flow, process] = [this.#world.flow, this.#world.process];
    request.hasBegun = true;
    const abort = new AbortController();
    const what = nameOf(request);
    if (this.#world.odds.happens("a caller aborts", this.#random))
      process.later(() => abort.abort(new Error("The caller has left")));
    if (this.#world.odds.happens("a caller cancels", this.#random))
      this.#world.schedule.move(() => {
        if (!this.#world.isStopped)
          this.#world.whenUp(() =>
            this.#world.watch(`cancel of ${what}`, this.#world.flow.cancel(traceId, { tenant })),
          );
      });
    for (const signal of request.signals)
      this.#world.schedule.move(() => {
        // after a restart, those that are not stored are sent again
        if (this.#world.process === process) this.#signal(request, signal);
      });
    // a join of an emitted trace waits for further messages
    const mayEmit = flow.graph.vertices.every(({ node }) => node.gathering === undefined);
    const { ofId } = request;
    const kind = ofId?.by === "emit" ? 1 : this.#random() * (ofId === undefined ? 1 : 0.85);
    const options = { signal: abort.signal, ...(ofId === undefined ? {} : { id: traceId, keepMs: KEEP_MS }) };
    if (kind < 0.4) this.#world.watch(what, this.#learn(request, flow.outcome(message, options)));
    else if (kind < 0.6 || (!mayEmit && kind >= 0.85))
      this.#world.watch(what, this.#learnCall(request, flow.call(message, options)));
    else if (kind < 0.85) this.#world.watch(what, this.#learnCall(request, this.#read(request, options)));
    else {
      request.isEmitted = true;
      this.#world.watch(what, this.#emit(request, options));
    }
  }

  /** Sends a signal, and checks that it is stored when its sender is told so. */
  #signal(request: Request, signal: SimulatedSignal): void {
    const [flow, process] = [this.#world.flow, this.#world.process];
    if (this.#world.isStopped || process.hasEnded || process.isLeaving || !flow.isRunning) return;
    const { tenant, traceId } = request;
    const { name, value } = signal;
    const send = async (): Promise<void> => {
      await flow.signal(traceId, name, value, { tenant });
      this.#world.odds.count("a signal is sent");
      if (!this.#world.checkpoints.isUsed) return;
      const ofRun = process.records.filter(({ run }) => run === process.runs.get(request.key));
      const isStored = process.records.slice(0, process.stored).some((record) => isOf(signal, record));
      // the signals of a trace that has ended need not be stored
      if (!isStored && ofRun.at(-1)?.type !== "ended")
        this.#world.broken.push(`L10: a signal to ${nameOf(request)} counts as accepted before it is stored`);
    };
    this.#world.watch(`signal "${name}" to ${nameOf(request)}`, send());
  }

  /** Sends the signals of which a crash has left nothing. */
  #signalAgain(request: Request): void {
    const stored = this.#world.history.filter(
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
    const process = this.#world.process;
    const outcome = await waiting;
    if (outcome.status === "paused") this.#collect(request);
    else if (outcome.status !== "stopped") this.#tell(process, request, outcome.status, errorOf(outcome));
  }

  async #learnCall(request: Request, waiting: Promise<unknown>): Promise<void> {
    const process = this.#world.process;
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
    if (!this.#world.checkpoints.isUsed) return;
    const run = process.runs.get(request.key);
    const isOfRun = (record: TraceRecord): boolean => isOfBegun(record) && record.run === run;
    const ofRun = process.records.filter(isOfRun);
    const unstored = process.records.slice(process.stored).filter(isOfRun);
    // a trace that ended before any of its commits was stored need not be stored
    if (unstored.length === ofRun.length && unstored.every(({ type }) => type !== "committed")) return;
    for (const record of unstored)
      if (record.type === "committed" || record.type === "ended")
        this.#world.broken.push(
          `L10: the caller of ${nameOf(request)} was told before it was stored: ${lineOf(record)}`,
        );
  }

  /** Checks that a delivered result is stored. */
  #tellResult(process: SimulatedProcess, request: Request, payload: unknown): void {
    // the closing text of an exhausted trace is created for its reader
    if (!this.#world.checkpoints.isUsed || payload instanceof FinalAnswer) return;
    // several readers of one id are given the same results
    if (request.ofId?.by === "call") return;
    const { key } = request;
    add(process.told, key, 1);
    let stored = 0;
    for (const record of [...this.#world.history, ...process.records.slice(0, process.stored)])
      if ((record.type === "emitted" || record.type === "committed") && keyOf(record.tenant, record.traceId) === key)
        stored += record.outputs.filter(({ node }) => node === ROOKERY).length;
    if ((process.told.get(key) as number) > stored)
      this.#world.broken.push(`L10: a result of ${nameOf(request)} was given out before it was stored`);
  }

  /** Reads a stream at the reader's pace, occasionally not to its end. */
  async #read(request: Request, options: { readonly signal: AbortSignal }): Promise<void> {
    const { message, traceId } = request;
    const { process, odds, flow } = this.#world;
    const leaves = odds.happens("a reader leaves", this.#random);
    const onLeave = this.#random() < 0.5 ? "cancel" : "detach";
    await hear(this.#world, traceId, flow.stream(message, { ...options, onLeave }), (item) => {
      if (item.type === "result") this.#tellResult(process, request, item.message.payload);
      if (leaves) throw LEFT;
    });
  }

  /** Emits a message and fetches until nothing is left. */
  async #emit(request: Request, options: { readonly signal: AbortSignal }): Promise<void> {
    const process = this.#world.process;
    await this.#world.flow.emit(request.message, options);
    if (this.#world.checkpoints.isUsed) this.#checkAccepted(process, request);
    await this.#fetchAll(request);
  }

  #checkAccepted({ records, stored, runs }: SimulatedProcess, request: Request): void {
    const ofRun = records.filter(({ run }) => run === runs.get(request.key));
    const place = records.findIndex((record) => record.type === "accepted" && ofRun.includes(record));
    // a trace cancelled immediately need not be stored
    const isNothing = ofRun.at(-1)?.type === "ended" && ofRun.every(({ type }) => type !== "committed");
    if (place >= stored && !isNothing)
      this.#world.broken.push(`L10: ${nameOf(request)} counts as accepted before it is stored`);
  }

  async #fetchAll(request: Request): Promise<void> {
    const { tenant, traceId } = request;
    const [flow, process] = [this.#world.flow, this.#world.process];
    for (;;) {
      const item = await patiently(this.#world, process, () => flow.fetch({ traceId, tenant }));
      if (!(item instanceof Message)) continue;
      if (item.headers.tenant !== tenant)
        this.#world.broken.push(`L11: ${tenant} fetched a result of ${item.headers.tenant}`);
      this.#tellResult(process, request, item.payload);
    }
  }

  /** Fetches the remaining results of a request whose caller has stopped waiting: now, or when all else has happened. */
  #collect(request: Request): void {
    // its outcome is kept for its id, and asked for by the next delivery
    if (request.ofId?.by === "call") return;
    if (
      !this.#isLate &&
      !request.isEmitted &&
      this.#world.odds.isUnhurried("a caller comes back late", this.#answers)
    ) {
      this.#latecomers.add(request);
      return;
    }
    this.#world.watch(`collecting the results of ${nameOf(request)}`, this.#fetchAll(request));
  }

  /** Lets callers come back that nothing waited for. A trace that has not ended by now never will. */
  async letCollect(): Promise<void> {
    this.#isLate = true;
    const ended = new Set(
      this.#world.allRecords.flatMap(({ type, tenant, traceId }) => (type === "ended" ? [keyOf(tenant, traceId)] : [])),
    );
    const latecomers = [...this.#latecomers].filter(({ key }) => ended.has(key));
    for (const request of latecomers) this.#world.whenUp(() => this.#collect(request));
    if (latecomers.length > 0) await this.#world.playOn();
  }

  /** Answers the pauses of a trace. */
  #answer(tenant: string, traceId: string): void {
    if (this.#world.isStopped || !this.#world.flow.isRunning) return;
    const [flow, process] = [this.#world.flow, this.#world.process];
    const { answer = () => true } = this.#world.options;
    const answered = new Set(this.#answered);
    const ask = async (): Promise<void> => {
      for (const ticket of await patiently(this.#world, process, () => flow.pauses.list({ tenant, traceId }))) {
        const { token, expiresAt } = ticket;
        if (
          expiresAt !== undefined &&
          this.#world.odds.isUnhurried("a pause is not answered", this.#world.odds.stream(`silence of ${token}`))
        )
          continue;
        if (answered.has(token)) this.#world.broken.push(`L10: the answer to "${ticket.reason}" is asked for again`);
        const resume = async (): Promise<void> => {
          const value = answer(ticket, this.#world.odds.stream(token));
          if (
            this.#world.odds.isUnhurried("an answer is followed", this.#followers) &&
            (await this.#readOn(ticket, value, tenant))
          )
            return;
          const outcome = await patiently(this.#world, process, () => flow.pauses.resume(token, value, { tenant }));
          if (outcome.status === "stopped") return;
          this.#answered.add(token);
          this.#world.odds.count("a pause is answered");
          const request = this.requests.find(({ key }) => key === keyOf(tenant, traceId));
          if (request !== undefined && outcome.status !== "paused")
            this.#tell(process, request, outcome.status, errorOf(outcome));
        };
        this.#world.watch(`the answer to "${ticket.reason}" of "${traceId}" of ${tenant}`, resume());
      }
    };
    this.#world.watch(`a look at the pauses of "${traceId}" of ${tenant}`, ask());
  }

  /** Answers a pause and reads the trace from there on. Returns `false` if its results go elsewhere. */
  async #readOn(
    { token, traceId }: PauseTicket & { readonly traceId: string },
    value: unknown,
    tenant: string,
  ): Promise<boolean> {
    const { process, flow } = this.#world;
    try {
      await hear(this.#world, traceId, flow.pauses.resumeStream(token, value, { tenant, onLeave: "detach" }));
    } catch (error) {
      if (error instanceof TypeError) return false;
      const code = error instanceof FlowError ? error.code : undefined;
      const request = this.requests.find(({ key }) => key === keyOf(tenant, traceId));
      if (code === FlowErrorCode.TRACE_PAUSED && request !== undefined) this.#collect(request);
      else if (code === FlowErrorCode.CHECKPOINT_FAILED) process.later(() => this.#answer(tenant, traceId));
      else throw error;
    }
    return true;
  }
}

/** Whether a caller has left the trace of its id, which goes on. */
function isOwnLeave({ ofId }: Request, { code }: FlowError): boolean {
  return ofId !== undefined && (code === FlowErrorCode.WAIT_ABORTED || code === FlowErrorCode.WAIT_TIMEOUT);
}

/** Whether a record tells of the signal. */
function isOf({ name, value }: SimulatedSignal, record: TraceRecord | Restart): boolean {
  if (record.type !== "signalled" || record.signal !== name) return false;
  return JSON.stringify(record.value) === JSON.stringify(value);
}
