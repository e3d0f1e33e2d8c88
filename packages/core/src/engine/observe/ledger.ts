import type { Budget } from "../../message/budget.ts";
import type { Message } from "../../message/message.ts";
import type { FinalOutcome } from "../../message/outcome.ts";
import type { RecordedOutput, TraceRecorder } from "../../ports/trace-recorder.ts";
import type { BudgetAccount } from "../state/budget-account.ts";
import type { Pause, Signal, Trace } from "../state/trace.ts";
import { type Attempt, State } from "../state/attempt.ts";
import { outputTo, placeOf, resultOutput, runOf } from "./reporter.ts";

/** Subset of a durable run that receives change notifications from the {@link Ledger}. */
export interface CheckpointMarks {
  changed(trace: Trace): void;
  done(attempt: Attempt): void;
}

/**
 * Records every change of a trace's state. For each transition of a message, one method here updates the trace's
 * counts, marks the trace as changed for the checkpoint store and notifies the recorder. Invariant: a running trace
 * changes `live` and `joined` only here.
 */
export class Ledger {
  readonly #record: TraceRecorder | undefined;
  readonly #durable: CheckpointMarks | undefined;
  /** Attempt whose last messages are being sent. Outputs accepted at once become part of its commit record. */
  #finishing: Attempt | undefined;
  /** Attempt that was finishing last. Its outputs stay in `#outputs` until the commit is recorded. */
  #sender: Attempt | undefined;
  #outputs: RecordedOutput[] = [];

  constructor(recorder: TraceRecorder | undefined, durable: CheckpointMarks | undefined) {
    this.#record = recorder;
    this.#durable = durable;
  }

  get isWatched(): boolean {
    return this.#record !== undefined;
  }

  /** Collects the outputs of an attempt for its commit record, from now until {@link Ledger.allSent}. */
  finishing(attempt: Attempt): void {
    if (this.#record === undefined) return;
    this.#finishing = this.#sender = attempt;
    this.#outputs = [];
  }

  allSent(): void {
    this.#finishing = undefined;
  }

  /** Marks a trace as changed since it was last stored. */
  changed(trace: Trace): void {
    this.#durable?.changed(trace);
  }

  /** Records that a message is done and its output was handed straight to the next handler. */
  handedOn(attempt: Attempt): void {
    this.#durable?.done(attempt);
  }

  /** Records a message that was accepted before a restart and is in flight again. */
  restored(attempt: Attempt): void {
    attempt.trace.gain();
    this.#record?.({ type: "restored", ...placeOf(attempt), attempt: attempt.attempt, message: attempt.message });
  }

  /** Counts a message that is about to be accepted. */
  expected(trace: Trace): void {
    trace.gain();
  }

  /** Takes back an {@link Ledger.expected} message that was never created. */
  withdrawn(trace: Trace): void {
    trace.lose();
  }

  /** Records that a node accepted a message, from outside or from `from`. */
  accepted(target: Attempt, from: Attempt | null): void {
    this.changed(target.trace);
    if (this.#record === undefined) return;
    if (from === null) {
      const given = target.trace.extras?.given === undefined ? {} : { hasGivenId: true as const };
      this.#record({ type: "accepted", ...placeOf(target), message: target.message, ...given });
    } else this.#output(from, outputTo(target));
  }

  /** Records that the Rookery accepted a result. */
  delivered(message: Message, from: Attempt, high: number, low: number): void {
    this.changed(from.trace);
    if (this.#record !== undefined) this.#output(from, resultOutput(message, high, low));
  }

  started(attempt: Attempt): void {
    this.#record?.({ type: "started", ...placeOf(attempt), attempt: attempt.attempt });
  }

  /** Records that a message is done. Its outputs take its place, and `logged` items are in the trace's log for good. */
  committed(attempt: Attempt, logged: number): void {
    attempt.trace.lose();
    this.#durable?.done(attempt);
    if (this.#record === undefined) return;
    const outputs = this.#outputsOf(attempt);
    this.#record({
      type: "committed",
      ...placeOf(attempt),
      attempt: attempt.attempt,
      outputs,
      ...(logged === 0 ? {} : { logged }),
    });
  }

  /** Records the outputs accepted so far: the commit waits because the remaining outputs are blocked. */
  commitWaits(attempt: Attempt): void {
    const outputs = this.#outputsOf(attempt);
    if (outputs.length > 0) this.#record?.({ type: "emitted", ...placeOf(attempt), attempt: attempt.attempt, outputs });
  }

  /** Records that a message waits outside edges and attempts. */
  parked(attempt: Attempt, why: "backoff" | "join"): void {
    if (why === "join") attempt.trace.gather();
    this.changed(attempt.trace);
    this.#record?.({ type: "parked", ...placeOf(attempt), why });
  }

  /** Records that a message waits for answers or an instant. `begins` are the pauses and sleeps that are new. */
  paused(attempt: Attempt, begins: readonly Pause[]): void {
    this.changed(attempt.trace);
    this.#record?.({ type: "parked", ...placeOf(attempt), why: "pause", begins: begins.map(({ key }) => key) });
  }

  /** Records that a message resumes after a backoff, a pause or a sleep. */
  resumed(attempt: Attempt, why: "backoff" | "pause"): void {
    this.changed(attempt.trace);
    this.#record?.({ type: "resumed", ...placeOf(attempt), why });
  }

  /** Records that `count` messages of a join have become the one that `group` carries. */
  joined(group: Attempt, count: number): void {
    group.trace.joinUp(count);
    this.changed(group.trace);
    this.#record?.({ type: "resumed", ...placeOf(group), why: "join" });
  }

  /** Records that a running attempt fetched a message that was queued for the same node. */
  fetched(taken: Attempt): void {
    taken.trace.lose();
    this.changed(taken.trace);
    this.#record?.({ type: "fetched", ...placeOf(taken) });
  }

  /** Records that a fetched message returns to the queue because the next attempt did not fetch it. */
  givenBack(attempt: Attempt): void {
    attempt.trace.gain();
    this.changed(attempt.trace);
    this.#record?.({ type: "resumed", ...placeOf(attempt), why: "fetch" });
  }

  /** Records that a message is dropped because its trace has ended. */
  dropped(attempt: Attempt): void {
    this.#record?.({ type: "dropped", ...placeOf(attempt) });
  }

  /** Records that a join drops a late message. The trace continues. */
  cameLate(attempt: Attempt): void {
    attempt.trace.lose();
    this.changed(attempt.trace);
    this.dropped(attempt);
  }

  /** Records that a trace at rest leaves memory. The store has its messages. */
  unloaded(trace: Trace): void {
    trace.close();
    trace.empty();
    this.#record?.({ type: "unloaded", ...runOf(trace) });
  }

  /** Records that an attempt of the trace, or of a playbook below it, has spent part of the budget. */
  spent(trace: Trace, { node }: Attempt, amounts: Budget, account: BudgetAccount): void {
    this.changed(trace);
    if (this.#record === undefined) return;
    const { spent, limits } = account;
    this.#record({ type: "spent", ...runOf(trace), node, amounts, spent, limits });
  }

  /** Records that a trace accepted a signal. */
  signalled(trace: Trace, signal: string, value: unknown): void {
    this.changed(trace);
    this.#record?.({ type: "signalled", ...runOf(trace), signal, value });
  }

  /** Records that a handler received a signal: its `position`-th of the name in this call. */
  received(root: Attempt, by: string, position: number, { name: signal, value }: Signal): void {
    this.changed(root.trace);
    this.#record?.({ type: "received", ...placeOf(root), by, position, signal, value });
  }

  /** Records that a handler received the answer to a pause. The message changes when it commits. */
  answered(root: Attempt, { key, reason, answer }: Pause, value: unknown): void {
    const expired = answer?.isExpired === true ? { isExpired: true as const } : {};
    this.#record?.({ type: "answered", ...placeOf(root), pause: key, reason, value, ...expired });
  }

  ended(trace: Trace, outcome: FinalOutcome): void {
    trace.close();
    trace.empty();
    this.changed(trace);
    const unread = trace.lasting?.signals.length ?? 0;
    this.#record?.({ type: "ended", ...runOf(trace), outcome, ...(unread === 0 ? {} : { unreadSignals: unread }) });
  }

  #output(from: Attempt, output: RecordedOutput): void {
    if (from.state === State.SENDING && from === this.#finishing) this.#outputs.push(output);
    else this.#record?.({ type: "emitted", ...placeOf(from), attempt: from.attempt, outputs: [output] });
  }

  #outputsOf(attempt: Attempt): readonly RecordedOutput[] {
    if (attempt !== this.#sender) return [];
    this.#sender = undefined;
    return this.#outputs;
  }
}
