import { requireFunction, requireKnownKeys, shown } from "../foundation/options.ts";
import type { BusEnvelope, MessageBus } from "../ports/message-bus.ts";

/** Filter for a subscriber's envelopes. */
export interface BusFilter {
  readonly tenant: string;
  /** Edge as `source->target`. @defaultValue every edge */
  readonly edge?: string;
}

/** A message bus within this process. A subscriber is called for each envelope of its tenant, in order. */
export class MemoryMessageBus implements MessageBus {
  readonly #subscribers = new Set<{ readonly filter: BusFilter; readonly receive: (envelope: BusEnvelope) => void }>();

  /**
   * Calls the subscribers for each envelope in turn, in the order in which they subscribed.
   *
   * @throws AggregateError of the subscribers' errors, after all have been called
   */
  async publish(batch: readonly BusEnvelope[]): Promise<void> {
    const failures: unknown[] = [];
    for (const envelope of batch) {
      for (const { filter, receive } of this.#subscribers) {
        if (envelope.tenant !== filter.tenant || (filter.edge !== undefined && filter.edge !== envelope.edge)) continue;
        try {
          receive(envelope);
        } catch (error) {
          failures.push(error);
        }
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, `${failures.length} deliveries to subscribers failed`);
  }

  /**
   * Calls `receive` for each subsequent envelope that matches.
   *
   * @returns a function that unsubscribes
   * @throws TypeError when the filter names no tenant or has an unknown key, or `receive` is not a function
   */
  subscribe(filter: BusFilter, receive: (envelope: BusEnvelope) => void): () => void {
    if (typeof filter !== "object" || filter === null)
      throw new TypeError(`Cannot subscribe: expected a filter { tenant, edge? }, got ${shown(filter)}`);
    requireKnownKeys("subscribe", filter, ["tenant", "edge"]);
    if (typeof filter.tenant !== "string" || filter.tenant === "")
      throw new TypeError(
        `Option "tenant" of subscribe must be a non-empty string: got ${shown(filter.tenant)}; without one, no envelope would fit ("default" is the tenant of messages that name none)`,
      );
    if (filter.edge !== undefined && (typeof filter.edge !== "string" || !filter.edge.includes("->")))
      throw new TypeError(
        `Option "edge" of subscribe must be "source->target": got ${shown(filter.edge)}; leave it out for every edge`,
      );
    requireFunction("receive", receive);
    const subscriber = { filter, receive };
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }
}
