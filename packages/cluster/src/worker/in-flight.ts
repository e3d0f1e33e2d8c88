import type { FlowStats } from "penguiflow";

/** Counts the traces of one run of a partition: those about to be accepted, in flight, or with an outcome to be stored. */
export class InFlight {
  size = 0;
  #wake: (() => void) | undefined;

  /** Counts those of earlier runs, once they are read: the outcomes of some are still to be stored. */
  begin({ traces, undeliveredOutcomes }: Pick<FlowStats, "traces" | "undeliveredOutcomes">): void {
    this.size = traces + undeliveredOutcomes;
  }

  /** Counts a trace that is no longer in flight. */
  left(): void {
    this.size -= 1;
    this.wake();
  }

  /** Waits until a trace has ended, or rests. */
  room(): Promise<undefined> {
    return new Promise((resolve) => {
      this.#wake = () => resolve(undefined);
    });
  }

  /** Ends the wait for room. */
  wake(): void {
    this.#wake?.();
  }
}
