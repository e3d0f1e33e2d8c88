import type { Position } from "../../engine/durability.ts";

/** Items of one lane that are outstanding, or taken after one that is. */
interface Lane {
  /** Last position that a batch records or has recorded. */
  recorded: number;
  /** Ascending. The first is outstanding. */
  readonly items: { readonly sequence: number; isTaken: boolean }[];
}

/**
 * Positions of an intake, lane by lane. A position is recorded once the item at it and all items before it are taken.
 * Otherwise a crash would lose an item that is still outstanding.
 */
export class Positions {
  readonly #lanes = new Map<number, Lane>();
  /** Lanes whose position has changed since the last batch. */
  readonly #moved = new Set<number>();

  /** Restores the recorded positions. */
  restore(recorded: ReadonlyMap<number, number>): void {
    for (const [lane, sequence] of recorded) this.#lanes.set(lane, { recorded: sequence, items: [] });
  }

  /** Recorded positions, those of the next batch included. */
  get recorded(): ReadonlyMap<number, number> {
    const known = [...this.#lanes].filter(([, { recorded }]) => recorded >= 0);
    return new Map(known.map(([lane, { recorded }]) => [lane, recorded]));
  }

  /** Whether the next batch records a position. */
  get hasMoved(): boolean {
    return this.#moved.size > 0;
  }

  /** Whether the position of an item is recorded, or is with the next batch. */
  has({ lane, sequence }: Position): boolean {
    return sequence <= (this.#lanes.get(lane)?.recorded ?? -1);
  }

  /** Returns how many items before this one are outstanding, or were taken after one that is. */
  before({ lane, sequence }: Position): number {
    return (this.#lanes.get(lane)?.items.findLastIndex((item) => item.sequence < sequence) ?? -1) + 1;
  }

  /**
   * Notes an item that is about to be taken. Returns the function to call in the step that takes it, or `undefined` if
   * its position is recorded already. That function returns whether a position is recorded.
   */
  expect({ lane: number, sequence }: Position): (() => boolean) | undefined {
    let lane = this.#lanes.get(number);
    if (lane === undefined) this.#lanes.set(number, (lane = { recorded: -1, items: [] }));
    if (sequence <= lane.recorded) return undefined;
    const { items } = lane;
    let index = items.length;
    while (index > 0 && (items[index - 1] as Lane["items"][number]).sequence >= sequence) index -= 1;
    // a refused item stays outstanding, and may be tried again
    if (items[index]?.sequence !== sequence) items.splice(index, 0, { sequence, isTaken: false });
    return () => this.#take(number, sequence);
  }

  /** Returns the positions that have changed since the last call. */
  changes(): ReadonlyMap<number, number> {
    const moved = [...this.#moved].map((number) => [number, (this.#lanes.get(number) as Lane).recorded] as const);
    this.#moved.clear();
    return new Map(moved);
  }

  #take(number: number, sequence: number): boolean {
    const lane = this.#lanes.get(number) as Lane;
    const { items } = lane;
    const item = items.find((each) => each.sequence === sequence);
    if (item === undefined) return false;
    item.isTaken = true;
    let taken = 0;
    while (items[taken]?.isTaken === true) taken += 1;
    if (taken === 0) return false;
    lane.recorded = (items[taken - 1] as Lane["items"][number]).sequence;
    items.splice(0, taken);
    this.#moved.add(number);
    return true;
  }
}
