import type { PauseView } from "@penguiflow/playground/protocol";
import type { OpenTicket } from "../ipc/messages.ts";
import { ApiError } from "../server/api-error.ts";
import type { Child } from "../supervisor/child.ts";
import type { RunPlace } from "./run-builder.ts";

/** Public ids that are remembered after their pauses were answered. */
const MAX_USED = 1_000;

interface Known {
  readonly view: Omit<PauseView, "thread">;
  /** Never leaves this process, but to the one that runs the flow. */
  readonly token: string;
  readonly child: Child;
}

/** The open pauses of all flows, by their public ids. */
export class Pauses {
  #known = new Map<string, Known>();
  readonly #since = new Map<string, number>();
  readonly #used = new Set<string>();

  get size(): number {
    return this.#known.size;
  }

  /** Replaces the pauses of a flow in a process, and returns the runs whose pauses are others now. */
  replace(flow: string, tickets: readonly OpenTicket[], child: Child, isDurable: boolean): readonly RunPlace[] {
    const before = new Map([...this.#known].filter(([, one]) => one.view.flow === flow && one.child === child));
    const now = new Map(tickets.map((ticket) => [ticket.id, this.#knownOf(flow, ticket, child, isDurable)]));
    const changed = [...before, ...now].filter(([id]) => before.has(id) !== now.has(id)).map(([, one]) => one);
    for (const id of before.keys()) if (!now.has(id)) this.close(id);
    for (const [id, one] of now) this.#known.set(id, one);
    return changed.map(({ view }) => ({ flow, runId: view.runId, tenant: view.tenant }));
  }

  /** Number of a process's pauses that end with it. */
  countVolatile(child: Child): number {
    return [...this.#known.values()].filter((one) => one.child === child && one.view.isVolatile).length;
  }

  /** Forgets the pauses of a process that has ended. */
  lose(child: Child): void {
    for (const [id, one] of this.#known) if (one.child === child) this.#known.delete(id);
  }

  /** Lists the open pauses, oldest first. */
  list({ flow, runId }: { readonly flow?: string | undefined; readonly runId?: string | undefined } = {}): PauseView[] {
    return [...this.#known.values()]
      .map(({ view }) => view)
      .filter((view) => (flow === undefined || view.flow === flow) && (runId === undefined || view.runId === runId))
      .sort((one, other) => one.since - other.since);
  }

  /**
   * Returns a pause with its token.
   *
   * @throws ApiError `PAUSE_USED`, `PAUSE_EXPIRED`, `PAUSE_UNKNOWN`
   */
  get(id: string): Known {
    const known = this.#known.get(id);
    if (known === undefined && this.#used.has(id)) throw new ApiError("PAUSE_USED", "The pause was answered already");
    if (known === undefined) throw new ApiError("PAUSE_UNKNOWN", `There is no open pause "${id}"`);
    const { expiresAt } = known.view;
    if (expiresAt !== undefined && expiresAt <= Date.now())
      throw new ApiError("PAUSE_EXPIRED", "The pause has expired");
    return known;
  }

  /** Closes a pause whose answer was accepted. */
  close(id: string): void {
    this.#known.delete(id);
    this.#used.add(id);
    for (const oldest of this.#used) {
      if (this.#used.size <= MAX_USED) break;
      this.#used.delete(oldest);
    }
  }

  #knownOf(flow: string, ticket: OpenTicket, child: Child, isDurable: boolean): Known {
    const { id, token, payload = null, ...rest } = ticket;
    const since = this.#since.get(id) ?? Date.now();
    this.#since.set(id, since);
    const { runId, tenant, node, path, kind, reason, tool, args, callId, effects, schema, expiresAt } = rest;
    const view: Known["view"] = {
      id,
      flow,
      runId,
      tenant,
      node,
      path,
      kind,
      reason,
      payload,
      since,
      isVolatile: !isDurable,
      ...(tool !== undefined && { tool }),
      ...(args !== undefined && { args }),
      ...(callId !== undefined && { callId }),
      ...(effects !== undefined && { effects }),
      ...(schema !== undefined && { schema }),
      ...(expiresAt !== undefined && { expiresAt }),
    };
    return { view, token, child };
  }
}
