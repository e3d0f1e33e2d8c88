import type { FlowEvent, NodeErrorEvent } from "penguiflow";
import type { StepState, StepView } from "@penguiflow/playground/protocol";

/** Steps of a run that are kept at most. */
const MAX_STEPS = 5_000;

type Writable<View> = { -readonly [Key in keyof View]: View[Key] };

/** A step while it is built. */
interface Step extends Writable<Omit<StepView, "to" | "waits">> {
  readonly to: string[];
  readonly waits: Writable<StepView["waits"][number]>[];
}

type NodeEvent = Extract<FlowEvent, { readonly attempt: number }>;

/** States of a step that has not ended. */
const OPEN: ReadonlySet<StepState> = new Set(["waiting", "running", "sending", "paused", "sleeping"]);

/** The attempts of a run, as its events tell. */
export class Timeline {
  readonly #steps = new Map<string, Step>();
  readonly #root: string;
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
  add(event: FlowEvent, seq: number): readonly StepView[] {
    if (event.type === "trace_end") return this.#endAll(event.at);
    if (!("attempt" in event)) return [];
    const step = this.#stepOf(event, seq);
    if (step === undefined) return [];
    return change(step, event) ? [step] : [];
  }

  #stepOf(event: NodeEvent, seq: number): Step | undefined {
    const { lineage = event.node, from } = event as NodeEvent & { readonly lineage?: string; readonly from?: string };
    const path = this.#pathOf(event.flow);
    const id = [...path, `${lineage}.${event.attempt}`].join("/");
    const known = this.#steps.get(id);
    if (known !== undefined || event.type !== "node_start") return known;
    if (this.#steps.size >= MAX_STEPS) {
      this.#isFull = true;
      return undefined;
    }
    const { node, attempt, at, queueMs } = event;
    const step: Step = {
      id,
      seq,
      node,
      path,
      attempt,
      state: "running",
      queuedAt: at - queueMs,
      startedAt: at,
      waits: [],
      to: [],
      canRunAgain: false,
      ...(from !== undefined && { from }),
    };
    this.#steps.set(id, step);
    if (from !== undefined) this.#sentTo(from, path, node, at);
    return step;
  }

  /** Names a node as the target of the step that sent to it. */
  #sentTo(from: string, path: readonly string[], node: string, at: number): void {
    for (const step of [...this.#steps.values()].reverse()) {
      const isSender = step.node === from && step.path.length === path.length && (step.startedAt ?? at) <= at;
      if (!isSender) continue;
      if (!step.to.includes(node)) step.to.push(node);
      return;
    }
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
  node_start(step, { at }) {
    endWait(step, at);
    step.state = "running";
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
