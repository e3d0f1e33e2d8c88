import type { FromChild } from "../ipc/messages.ts";
import { jsonOf } from "./plain-json.ts";
import type { RunningFlow } from "./running-flow.ts";
import { openTickets } from "./tickets.ts";

/** Tells the open pauses of a flow whenever they may be others: once for all changes of a moment. */
export class PauseLister {
  /** Tenants of each flow that have had a pause. */
  readonly #tenants = new Map<string, Set<string>>();
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
    return this.#tenants.has(flow);
  }

  look(running: RunningFlow, tenant: string): void {
    const { name } = running.found;
    const tenants = this.#tenants.get(name) ?? new Set<string>();
    this.#tenants.set(name, tenants.add(tenant));
    if (this.#stale.has(name)) return;
    this.#stale.add(name);
    setImmediate(() => {
      this.#stale.delete(name);
      // a flow that stops meanwhile has no pauses to tell of
      this.#tell(running, tenants).catch(() => {});
    });
  }

  async #tell({ everyFlow, found }: RunningFlow, tenants: ReadonlySet<string>): Promise<void> {
    const live = everyFlow.filter(({ flow }) => flow.isRunning);
    const tickets = (await Promise.all(live.map(async (each) => await openTickets(each, tenants)))).flat();
    if (found.flow.isRunning) this.#send({ type: "pauses", flow: found.name, tickets: this.#mask(jsonOf(tickets)) });
  }
}
