import type { FromChild } from "../ipc/messages.ts";
import { jsonOf } from "./plain-json.ts";
import type { RunningFlow } from "./running-flow.ts";
import { openTickets } from "./tickets.ts";

/** Tells the open pauses of a flow whenever they may be others: once for all changes of a moment. */
export class PauseLister {
  /** Flows that have had a pause. */
  readonly #known = new Set<string>();
  readonly #stale = new Set<string>();
  readonly #send: (message: FromChild) => void;
  readonly #mask: (text: string) => string;

  /** @param send - is to send what has gathered before */
  constructor(send: (message: FromChild) => void, mask: (text: string) => string) {
    this.#send = send;
    this.#mask = mask;
  }

  /** Whether the flow has had a pause. */
  knows(flow: string): boolean {
    return this.#known.has(flow);
  }

  look(running: RunningFlow): void {
    const { name } = running.found;
    this.#known.add(name);
    if (this.#stale.has(name)) return;
    this.#stale.add(name);
    setImmediate(() => {
      this.#stale.delete(name);
      // a flow that stops meanwhile has no pauses to tell of
      this.#tell(running).catch(() => {});
    });
  }

  async #tell({ everyFlow, found }: RunningFlow): Promise<void> {
    const live = everyFlow.filter(({ flow }) => flow.isRunning);
    const tickets = (await Promise.all(live.map(async (each) => await openTickets(each)))).flat();
    if (found.flow.isRunning) this.#send({ type: "pauses", flow: found.name, tickets: this.#mask(jsonOf(tickets)) });
  }
}
