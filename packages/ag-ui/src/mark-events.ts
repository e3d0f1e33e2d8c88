import type { AGUIEvent } from "@ag-ui/core";
import { jsonOf, type RunContext } from "./agent.ts";
import type { FlowParts } from "./flow-agent.ts";
import type { Mark } from "./trace-tap.ts";

type Events = Generator<AGUIEvent, void, undefined>;

/** Turns what a trace does, besides its stream, into steps, subagents, state and events. */
export class MarkEvents {
  readonly #run: RunContext;
  readonly #parts: Pick<FlowParts<never>, "steps" | "state" | "events">;
  /** Ids of the subagents that are open, by the calls of playbooks that they are, oldest first. */
  readonly #subagents = new Map<string, { readonly id: string; readonly place: string }>();
  #count = 0;

  constructor(run: RunContext, parts: Pick<FlowParts<never>, "steps" | "state" | "events">) {
    this.#run = run;
    this.#parts = parts;
  }

  *write(mark: Mark): Events {
    const { writer } = this.#run;
    const { steps, state, events } = this.#parts;
    if (mark.type === "memory") {
      if (state !== undefined) yield* writer.state(jsonOf(state(mark.memory), "the state") ?? null);
    } else if (mark.type === "event") {
      if (events) yield writer.custom("penguiflow.event", mark.event);
    } else if (steps) yield* this.#step(mark);
  }

  *#step(mark: Exclude<Mark, { readonly type: "memory" | "event" }>): Events {
    const { writer } = this.#run;
    const owner = this.#subagents.get(mark.call)?.id;
    switch (mark.type) {
      case "called":
        return yield* this.#call(mark.call, mark.path);
      case "returned":
        if (owner !== undefined) yield* writer.endSubagent(owner, mark.code);
        this.#subagents.delete(mark.call);
        return;
      case "entered":
        return yield* writer.startStep(mark.node, owner);
      case "left":
        return yield* writer.endStepAlone(mark.node, owner);
    }
  }

  *#call(call: string, path: readonly string[]): Events {
    const place = path.join("/");
    const around = path.slice(0, -1).join("/");
    // calls of one playbook at the same time are not told apart by those below them
    const parent = [...this.#subagents.values()].findLast((one) => one.place === around)?.id;
    this.#count += 1;
    const id = `${this.#run.runId}/${place}#${this.#count}`;
    this.#subagents.set(call, { id, place });
    this.#run.writer.subagents.set(place, id);
    yield* this.#run.writer.startSubagent(id, path.at(-1) ?? "", parent);
  }
}
