import type { FinalOutcome } from "../../message/outcome.ts";
import type { Position } from "../../engine/durability.ts";

/** An item of an intake, which outlasts the processes that read it. */
export interface IntakeItem<Request> extends Position {
  readonly request: Request;
}

/** An intake in lanes and an outbox, between callers and a durable flow. Both outlast its processes. */
export class SimulatedIntake<Request> {
  readonly items: IntakeItem<Request>[] = [];
  /** Acknowledged outcomes, by request. */
  readonly delivered = new Map<Request, FinalOutcome[]>();
  #sequence = 0;

  /** Adds an item to a lane. */
  offer(request: Request, lane: number): IntakeItem<Request> {
    this.#sequence += 1;
    const item = { request, lane, sequence: this.#sequence };
    this.items.push(item);
    return item;
  }

  /** Returns the items that are not consumed. */
  after(consumed: ReadonlyMap<number, number>): IntakeItem<Request>[] {
    return this.items.filter(({ lane, sequence }) => sequence > (consumed.get(lane) ?? -1));
  }

  deliver(request: Request, outcome: FinalOutcome): void {
    const outcomes = this.delivered.get(request) ?? [];
    outcomes.push(outcome);
    this.delivered.set(request, outcomes);
  }
}
