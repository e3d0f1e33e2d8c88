import type { Message } from "../../message/message.ts";
import type { FinalOutcome } from "../../message/outcome.ts";
import type { RecordedOutput, TraceRecorder } from "../../ports/trace-recorder.ts";
import type { Trace } from "../state/trace.ts";
import { type Attempt, State } from "../state/attempt.ts";
import { outputTo, placeOf, resultOutput, runOf } from "./reporter.ts";

/** The side of a journal that is told which traces have changed. */
export interface JournalMarks {
  changed(trace: Trace): void;
  done(attempt: Attempt): void;
}

/**
 * The one place through which the state of a trace changes: how many of its messages are somewhere,
 * and where. Whoever keeps a journal, or checks the laws, watches here.
 */
export class Ledger {
  readonly #record: TraceRecorder | undefined;
  readonly #durable: JournalMarks | undefined;
  /** The attempt whose last messages are being sent: what is accepted at once becomes part of its commit. */
  #finishing: Attempt | undefined;
  /** The attempt that was finishing last, and what it has sent, until its commit is told. */
  #sender: Attempt | undefined;
  #outputs: RecordedOutput[] = [];

  constructor(recorder: TraceRecorder | undefined, durable: JournalMarks | undefined) {
    this.#record = recorder;
    this.#durable = durable;
  }

  get isWatched(): boolean {
    return this.#record !== undefined;
  }

  /** An attempt sends its last messages, from now until {@link Ledger.allSent}. */
  finishing(attempt: Attempt): void {
    if (this.#record === undefined) return;
    this.#finishing = this.#sender = attempt;
    this.#outputs = [];
  }

  allSent(): void {
    this.#finishing = undefined;
  }

  /** Something of a trace is not as it was. */
  changed(trace: Trace): void {
    this.#durable?.changed(trace);
  }

  /** A message is done, and the one it became has been handed on without a stop. */
  handedOn(attempt: Attempt): void {
    this.#durable?.done(attempt);
  }

  /** A message that was accepted before a restart is there again. */
  restored(attempt: Attempt): void {
    attempt.trace.gain();
    this.#record?.({ type: "restored", ...placeOf(attempt), attempt: attempt.attempt, message: attempt.message });
  }

  /** A message is on its way to be accepted. */
  expected(trace: Trace): void {
    trace.gain();
  }

  /** A message that was expected never came to be. */
  withdrawn(trace: Trace): void {
    trace.lose();
  }

  /** A node accepted a message, from outside or from `from`. */
  accepted(target: Attempt, from: Attempt | null): void {
    this.changed(target.trace);
    if (this.#record === undefined) return;
    if (from === null) this.#record({ type: "accepted", ...placeOf(target), message: target.message });
    else this.#output(from, outputTo(target));
  }

  /** The Rookery accepted a result. */
  delivered(message: Message, from: Attempt, high: number, low: number): void {
    this.changed(from.trace);
    if (this.#record !== undefined) this.#output(from, resultOutput(message, high, low));
  }

  started(attempt: Attempt): void {
    this.#record?.({ type: "started", ...placeOf(attempt), attempt: attempt.attempt });
  }

  /** A message is done; what it sent on the way takes its place. */
  committed(attempt: Attempt): void {
    attempt.trace.lose();
    this.#durable?.done(attempt);
    if (this.#record === undefined) return;
    const outputs = this.#outputsOf(attempt);
    this.#record({ type: "committed", ...placeOf(attempt), attempt: attempt.attempt, outputs });
  }

  /** What an attempt has sent so far is told now, since the rest has to wait for room and its commit with it. */
  commitWaits(attempt: Attempt): void {
    const outputs = this.#outputsOf(attempt);
    if (outputs.length > 0) this.#record?.({ type: "emitted", ...placeOf(attempt), attempt: attempt.attempt, outputs });
  }

  /** A message waits outside of edge and attempt. */
  parked(attempt: Attempt, why: "backoff" | "join" | "pause"): void {
    if (why === "join") attempt.trace.gather();
    this.changed(attempt.trace);
    this.#record?.({ type: "parked", ...placeOf(attempt), why });
  }

  /** A message goes on after a backoff or a pause. */
  resumed(attempt: Attempt, why: "backoff" | "pause"): void {
    this.changed(attempt.trace);
    this.#record?.({ type: "resumed", ...placeOf(attempt), why });
  }

  /** `count` messages of a join have become the one that `group` carries. */
  joined(group: Attempt, count: number): void {
    group.trace.joinUp(count);
    this.changed(group.trace);
    this.#record?.({ type: "resumed", ...placeOf(group), why: "join" });
  }

  /** A running attempt took a message that was on its way to the same node. */
  fetched(taken: Attempt): void {
    taken.trace.lose();
    this.changed(taken.trace);
    this.#record?.({ type: "fetched", ...placeOf(taken) });
  }

  /** A message that an attempt took goes back in line: its successor did not ask for it. */
  givenBack(attempt: Attempt): void {
    attempt.trace.gain();
    this.changed(attempt.trace);
    this.#record?.({ type: "resumed", ...placeOf(attempt), why: "fetch" });
  }

  /** A message is given up because its trace has ended. */
  dropped(attempt: Attempt): void {
    this.#record?.({ type: "dropped", ...placeOf(attempt) });
  }

  /** A message has come too late for its join and is given up; its trace goes on. */
  cameLate(attempt: Attempt): void {
    attempt.trace.lose();
    this.changed(attempt.trace);
    this.dropped(attempt);
  }

  ended(trace: Trace, outcome: FinalOutcome): void {
    trace.close();
    trace.empty();
    this.changed(trace);
    this.#record?.({ type: "ended", ...runOf(trace), outcome });
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
