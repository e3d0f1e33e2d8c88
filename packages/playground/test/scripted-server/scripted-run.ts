import type {
  CancelReport,
  PauseView,
  RunState,
  RunStreamItem,
  RunSummary,
  RunView,
  StepMessages,
  StepView,
  TurnPart,
} from "../../src/protocol.ts";

/** The world around a run. */
export interface RunHost {
  /** Tells the page of a change. */
  readonly changed: (run: ScriptedRun, item: RunStreamItem) => void;
  /** Returns the instant; a script has taken so many of its own milliseconds. */
  readonly now: (passedMs: number) => number;
}

type Mutable<Value> = { -readonly [Key in keyof Value]: Value[Key] };

/** A run that follows a script instead of a flow: the script adds parts and steps, and waits for people. */
export class ScriptedRun {
  readonly parts: TurnPart[] = [];
  readonly steps: StepView[] = [];
  readonly pauses: PauseView[] = [];
  readonly summary: Mutable<RunSummary>;
  readonly inputValue: unknown;
  readonly stop = new AbortController();
  results: readonly unknown[] = [];
  /** Milliseconds that its script has taken. */
  passedMs = 0;
  /** Messages of a person that the script has not read yet. */
  readonly steering: string[] = [];
  readonly #host: RunHost;
  readonly #answers = new Map<string, (value: unknown) => void>();
  #seq = 0;

  constructor(summary: RunSummary, inputValue: unknown, host: RunHost) {
    this.summary = { ...summary };
    this.inputValue = inputValue;
    this.#host = host;
  }

  get isOver(): boolean {
    return this.summary.state !== "running" && this.summary.state !== "paused";
  }

  /** Returns the instant. */
  now(): number {
    return this.#host.now(this.passedMs);
  }

  view(): RunView {
    return {
      ...this.summary,
      inputValue: this.inputValue,
      results: this.results,
      budgets: [
        { name: "hops", spent: this.steps.length, limit: 24 },
        { name: "tokens", spent: (this.summary.tokens?.in ?? 0) + (this.summary.tokens?.out ?? 0), limit: 4000 },
      ],
      deadlineAt: this.summary.startedAt + 30_000,
      steps: this.steps,
      pauses: this.pauses,
      parts: this.parts,
      generation: 1,
      isWhole: this.isOver,
    };
  }

  /** Tells what the node of a step was given, and what it sent. */
  messages(id: string): StepMessages {
    const step = this.steps.find((one) => one.id === id);
    const kept = { lineage: id, at: step?.startedAt ?? 0, payload: this.inputValue };
    return {
      step: id,
      input: { ...kept, node: step?.node ?? "" },
      outputs: (step?.to ?? []).map((node) => ({ ...kept, node })),
      chunks: [],
      logs: [],
      events: [],
    };
  }

  snapshot(): RunStreamItem {
    return { type: "snapshot", run: this.summary, parts: this.parts, steps: this.steps, pauses: this.pauses };
  }

  /** Adds a part, or replaces the one at `index`. @returns its index */
  part(part: TurnPart, index: number = this.parts.length): number {
    this.parts[index] = part;
    this.#host.changed(this, { type: "part", index, part });
    return index;
  }

  /** Appends text to a part. */
  delta(index: number, text: string): void {
    const part = this.parts[index];
    if (part?.type !== "text" && part?.type !== "reasoning") throw new TypeError(`Part ${index} is no text`);
    this.parts[index] = { ...part, text: part.text + text };
    this.#host.changed(this, { type: "delta", index, text });
  }

  /** Begins a step. @returns a function that changes it */
  step(node: string, change: Partial<StepView> = {}): (change: Partial<StepView>) => void {
    this.#seq += 1;
    const attempt = change.attempt ?? 1;
    const at = this.steps.length;
    this.steps.push({
      id: `${this.#seq}.${attempt}`,
      seq: this.#seq,
      node,
      path: [],
      attempt,
      state: "running",
      queuedAt: this.now(),
      startedAt: this.now(),
      waits: [],
      to: [],
      canRunAgain: true,
      ...change,
    });
    const tell = (): void => {
      const step = this.steps[at];
      if (step !== undefined) this.#host.changed(this, { type: "step", step });
    };
    tell();
    return (next) => {
      const step = this.steps[at];
      if (step === undefined) return;
      const isOver = next.state !== undefined && !["running", "paused", "sleeping"].includes(next.state);
      this.steps[at] = { ...step, ...(isOver ? { returnedAt: this.now(), endedAt: this.now() } : {}), ...next };
      tell();
    };
  }

  /** Changes the summary. */
  change(change: Partial<RunSummary>): void {
    Object.assign(this.summary, change);
    this.#host.changed(this, { type: "run", run: { ...this.summary } });
  }

  /** Ends the run. */
  end(state: RunState, change: Partial<RunSummary> = {}): void {
    if (this.isOver) return;
    const endedAt = this.now();
    Object.assign(this.summary, change, {
      state,
      endedAt,
      durationMs: endedAt - this.summary.startedAt,
      openPauses: 0,
    });
    this.pauses.length = 0;
    this.#host.changed(this, { type: "end", run: { ...this.summary } });
  }

  /** Asks a person, and waits. @returns the value of the answer */
  async ask(pause: PauseView): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#answers.set(pause.id, resolve);
    this.pauses.push(pause);
    this.#host.changed(this, { type: "pauses", pauses: [...this.pauses] });
    this.change({ state: "paused", openPauses: this.pauses.length });
    return await promise;
  }

  /** Gives the answer that a pause waits for. @returns whether it still waits */
  answer(id: string, value: unknown): boolean {
    const resolve = this.#answers.get(id);
    if (resolve === undefined) return false;
    this.#answers.delete(id);
    this.pauses.splice(
      this.pauses.findIndex((pause) => pause.id === id),
      1,
    );
    this.#host.changed(this, { type: "pauses", pauses: [...this.pauses] });
    this.change({ state: this.pauses.length === 0 ? "running" : "paused", openPauses: this.pauses.length });
    resolve(value);
    return true;
  }

  /** Cancels the run. */
  cancel(): CancelReport {
    this.stop.abort();
    const open = this.steps.filter((step) => ["running", "paused", "sleeping"].includes(step.state));
    for (const step of open)
      this.steps[this.steps.indexOf(step)] = { ...step, state: "cancelled", endedAt: this.now() };
    this.end("cancelled");
    return { stopped: open.length, givenUp: 0, dropped: 0 };
  }
}
