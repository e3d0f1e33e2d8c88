import type { FlowStats } from "penguiflow";
import type { FromChild } from "../ipc/messages.ts";

/** Milliseconds for which facts gather. */
const GATHER_MS = 33;
/** Milliseconds between figures of a flow. */
const STATS_MS = 100;
/** Facts that wait at most: a supervisor that is behind is sent no more. */
const MAX_WAITING = 20_000;
/** Batches that the supervisor has not taken yet at most. */
const MAX_UNDERWAY = 8;

/** Gathers facts and figures, and sends them together: at most 30 times a second, and bounded. */
export class Outbox {
  readonly #mask: (text: string) => string;
  readonly #send: (message: FromChild, sent: () => void) => void;
  readonly #stats: (flow: string) => FlowStats | undefined;
  #facts: string[] = [];
  #skipped = 0;
  #underway = 0;
  #changed = new Set<string>();
  #statsAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    mask: (text: string) => string,
    send: (message: FromChild, sent: () => void) => void,
    stats: (flow: string) => FlowStats | undefined,
  ) {
    this.#mask = mask;
    this.#send = send;
    this.#stats = stats;
  }

  /** Adds the JSON of a fact. */
  add(flow: string, json: string): void {
    this.#changed.add(flow);
    if (this.#facts.length >= MAX_WAITING) this.#skipped += 1;
    else this.#facts.push(json);
    this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS);
  }

  /** Sends what has gathered now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#statsAt = 0;
    this.#flush();
  }

  #flush(): void {
    this.#timer = undefined;
    if (this.#underway >= MAX_UNDERWAY) {
      this.#timer = setTimeout(() => this.#flush(), GATHER_MS);
      return;
    }
    const now = performance.now();
    const hasStats = now - this.#statsAt >= STATS_MS;
    const stats = hasStats ? this.#takeStats() : [];
    if (hasStats) this.#statsAt = now;
    // the last figures of a burst are told, too
    else if (this.#changed.size > 0) this.#timer = setTimeout(() => this.#flush(), STATS_MS);
    if (this.#facts.length === 0 && stats.length === 0) return;
    const facts = this.#mask(`[${this.#facts.join(",")}]`);
    const skipped = this.#skipped;
    this.#facts = [];
    this.#skipped = 0;
    this.#underway += 1;
    this.#send({ type: "facts", facts, skipped, stats }, () => (this.#underway -= 1));
  }

  #takeStats(): { readonly flow: string; readonly stats: FlowStats }[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed.flatMap((flow) => {
      const stats = this.#stats(flow);
      return stats === undefined ? [] : [{ flow, stats }];
    });
  }
}
