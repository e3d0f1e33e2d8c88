import type { LoadedFlow } from "../ipc/messages.ts";
import { describeFlow } from "./describe-flow.ts";
import { Refusal } from "./refusal.ts";
import { RunningFlow, type ShownFlow, type Tell } from "./running-flow.ts";

/** A flow, and the names of the playbooks between it and something that happens. */
export interface FlowPlace {
  readonly root: string;
  readonly path: readonly string[];
}

/** The flows that the pages show, each under a name of its own. */
export class ShownFlows {
  readonly #flows = new Map<string, RunningFlow>();
  readonly #tell: (flow: string) => Tell;
  readonly #onEnd: (found: ShownFlow, thread: string | undefined, tenant: string) => void;

  /** @param onEnd - called when a planner's run has ended */
  constructor(
    tell: (flow: string) => Tell,
    onEnd: (found: ShownFlow, thread: string | undefined, tenant: string) => void,
  ) {
    this.#tell = tell;
    this.#onEnd = onEnd;
  }

  get all(): readonly RunningFlow[] {
    return [...this.#flows.values()];
  }

  add(found: ShownFlow): RunningFlow {
    const { exported = String(this.#flows.size + 1) } = found;
    const name = this.#flows.has(found.name) ? `${found.name} (${exported})` : found.name;
    const named = { ...found, name };
    const running = new RunningFlow(named, this.#tell(name), (thread, tenant) => this.#onEnd(named, thread, tenant));
    this.#flows.set(name, running);
    return running;
  }

  find(name: string): RunningFlow | undefined {
    return this.#flows.get(name);
  }

  /** @throws Refusal `FLOW_UNKNOWN` */
  get(name: string): RunningFlow {
    const found = this.#flows.get(name);
    if (found === undefined) throw new Refusal("FLOW_UNKNOWN", `There is no flow "${name}"`);
    return found;
  }

  describe(): LoadedFlow[] {
    return this.all.map(({ found }) => describeFlow(found));
  }

  /** Returns the place of something by the flow's name in it: a playbook is named after its caller. */
  placeOf(name: string): FlowPlace {
    if (this.#flows.has(name)) return { root: name, path: [] };
    for (let at = name.lastIndexOf("/"); at > 0; at = name.lastIndexOf("/", at - 1)) {
      const root = name.slice(0, at);
      if (this.#flows.has(root)) return { root, path: name.slice(at + 1).split("/") };
    }
    return { root: name, path: [] };
  }
}
