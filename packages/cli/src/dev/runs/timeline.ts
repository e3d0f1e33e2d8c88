import { type FlowEvent, type NodeErrorEvent, ROOKERY } from "penguiflow";
import type { StepState, StepView } from "@penguiflow/playground/protocol";
import type { Kept, RecordFact } from "../ipc/fact.ts";

/** Steps of a run that are kept at most. */
const MAX_STEPS = 5_000;

type Writable<View> = { -readonly [Key in keyof View]: View[Key] };

/** A step while it is built. */
interface Step extends Writable<Omit<StepView, "to" | "waits">> {
  readonly to: string[];
  readonly waits: Writable<StepView["waits"][number]>[];
}

/** A message that waits for a node, in an attempt. */
interface Queued extends Pick<Step, "node" | "attempt"> {
  readonly lineage: string;
  readonly payload: Kept | undefined;
}

type NodeEvent = Extract<FlowEvent, { readonly attempt: number }>;

/** States of a step that has not ended. */
const OPEN: ReadonlySet<StepState> = new Set(["waiting", "running", "sending", "paused", "sleeping"]);

/** The attempts of a run, as its events tell. */
export class Timeline {
  readonly #steps = new Map<string, Step>();
  readonly #root: string;
  /** Messages that a join has, and whose sender has not been told of: when they came. */
  readonly #gathered = new Map<string, number>();
  #isFull = false;

  /** @param root - name of the flow; playbooks are named after it */
  constructor(root: string) {
    this.#root = root;
  }

  get steps(): readonly StepView[] {
    return [...this.#steps.values()];
  }

  /** Whether all steps are there. */
  get isWhole(): boolean {
    return !this.#isFull;
  }

  /** Takes an event, and returns the steps that it changes. */
  addEvent(event: FlowEvent): readonly StepView[] {
    if (event.type === "trace_end") return event.flow === this.#root ? this.#endAll(event.at) : [];
    if (!("attempt" in event)) return [];
    const step = this.#stepOf(event);
    if (step === undefined) return [];
    return change(step, event) ? [step] : [];
  }

  /** Takes a record, and returns the steps that it changes. */
  addRecord(record: RecordFact, at: number): readonly StepView[] {
    const { type, path, node = "", lineage = "", attempt = 1, why } = record;
    const step = this.#steps.get(idOf(path, lineage, attempt));
    switch (type) {
      case "accepted":
      case "restored":
        return this.#queue(record, { node, lineage, attempt, payload: record.message?.payload }, undefined, at);
      case "emitted":
      case "committed":
        for (const output of record.outputs ?? []) this.#queue(record, { ...output, attempt: 1 }, node, at);
        if (step === undefined) return [];
        for (const output of record.outputs ?? []) if (!step.to.includes(output.node)) step.to.push(output.node);
        return [step];
      case "started":
        // its event tells the rest; the record knows fractions of a millisecond
        if (step !== undefined) step.startedAt ??= at;
        return [];
      case "parked":
      case "dropped":
        if (type === "parked" && why !== "join") return [];
        // a join may have a message before its sender has committed
        if (step === undefined && type === "parked") this.#gathered.set(idOf(path, lineage, attempt), at);
        if (step === undefined) return [];
        // a message that waits in a join has arrived: the group is handled as one
        step.state = type === "parked" ? "done" : "cancelled";
        step.endedAt = at;
        return [step];
      case "answered":
      case "ended":
      case "fetched":
      case "received":
      case "resumed":
      case "signalled":
      case "spent":
      case "unloaded":
        return [];
    }
  }

  /** Adds the step of a message that waits for its node. */
  #queue(
    { path, seq }: RecordFact,
    { node, lineage, attempt, payload }: Queued,
    from: string | undefined,
    at: number,
  ): readonly StepView[] {
    const id = idOf(path, lineage, attempt);
    if (node === ROOKERY || this.#steps.has(id) || this.#isOver()) return [];
    const step: Step = {
      id,
      seq,
      node,
      path,
      attempt,
      state: "waiting",
      queuedAt: at,
      waits: [],
      to: [],
      // a message of a playbook, or one that cannot be restored, is no beginning
      canRunAgain: path.length === 0 && payload !== undefined && "value" in payload && payload.written !== undefined,
      ...(from !== undefined && { from }),
    };
    const gatheredAt = this.#gathered.get(id);
    if (gatheredAt !== undefined) {
      this.#gathered.delete(id);
      step.state = "done";
      step.endedAt = Math.max(at, gatheredAt);
    }
    this.#steps.set(id, step);
    return [step];
  }

  #isOver(): boolean {
    this.#isFull ||= this.#steps.size >= MAX_STEPS;
    return this.#isFull;
  }

  #stepOf(event: NodeEvent): Step | undefined {
    const { lineage, from, seq, node, attempt, at } = event;
    const path = this.#pathOf(event.flow);
    const id = idOf(path, lineage, attempt);
    const known = this.#steps.get(id);
    if (known !== undefined || event.type !== "node_start" || this.#isOver()) return known;
    const first = this.#steps.get(idOf(path, lineage, 1));
    const step: Step = {
      id,
      seq,
      node,
      path,
      attempt,
      state: "running",
      queuedAt: at - event.queueMs,
      startedAt: at,
      waits: [],
      to: [],
      canRunAgain: first?.canRunAgain ?? false,
      ...(from !== undefined && { from }),
    };
    this.#steps.set(id, step);
    return step;
  }

  #pathOf(flow: string): readonly string[] {
    return flow.startsWith(`${this.#root}/`) ? flow.slice(this.#root.length + 1).split("/") : [];
  }

  #endAll(at: number): readonly StepView[] {
    const open = [...this.#steps.values()].filter(({ state }) => OPEN.has(state));
    for (const step of open) {
      endWait(step, at);
      step.state = "cancelled";
      step.endedAt = at;
    }
    return open;
  }
}

function idOf(path: readonly string[], lineage: string, attempt: number): string {
  return [...path, `${lineage}.${attempt}`].join("/");
}

type Change<Type extends NodeEvent["type"]> = (step: Step, event: Extract<NodeEvent, { readonly type: Type }>) => void;

const fail = (step: Step, { error, at }: Pick<NodeErrorEvent, "error" | "at">): void => {
  const { code = "NODE_EXCEPTION", message } = error;
  step.state = "failed";
  step.error = { code, message };
  step.endedAt ??= at;
};

const cancel = (step: Step, { at }: Pick<NodeEvent, "at">): void => {
  endWait(step, at);
  step.state = "cancelled";
  step.endedAt = at;
};

/** Changes of a step, by the event that tells it. */
const CHANGES: { readonly [Type in NodeEvent["type"]]?: Change<Type> } = {
  node_start(step, { at, seq }) {
    endWait(step, at);
    step.state = "running";
    step.seq = seq;
    step.startedAt ??= at;
  },
  node_success(step, { at, emitMs }) {
    step.state = "done";
    step.returnedAt = at - emitMs;
    step.endedAt = at;
  },
  node_error: fail,
  node_timeout: fail,
  node_failed: fail,
  node_fallback: fail,
  node_cancelled: cancel,
  deadline_skip: cancel,
  node_retry(step) {
    step.state = "retried";
  },
  node_pause: (step, { at }) => beginWait(step, "answer", "paused", at),
  node_sleep: (step, { at }) => beginWait(step, "time", "sleeping", at),
  signal_wait: (step, { at }) => beginWait(step, "signal", "sleeping", at),
  node_resume(step, { at }) {
    endWait(step, at);
    step.state = "waiting";
  },
};

/** Applies an event to its step; whether it changes anything. */
function change(step: Step, event: NodeEvent): boolean {
  const apply = CHANGES[event.type] as Change<NodeEvent["type"]> | undefined;
  apply?.(step, event);
  return apply !== undefined;
}

function beginWait(step: Step, what: StepView["waits"][number]["for"], state: StepState, at: number): void {
  step.waits.push({ for: what, from: at });
  step.state = state;
}

function endWait(step: Step, at: number): void {
  for (const wait of step.waits) wait.to ??= at;
}
