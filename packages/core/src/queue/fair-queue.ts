import { type HeapEntry, MinHeap } from "../foundation/min-heap.ts";

/** An item that waits in a {@link FairQueue}; the queue links items through `nextInLane`. */
export interface QueueItem {
  nextInLane: this | null;
}

/** The owner of waiting items: a trace. */
export interface LaneOwner {
  readonly tenant: string;
  readonly priority: number;
  /** The owner's lanes in all queues. Maintained by the queues. */
  lanes: Lane | null;
}

/** Number of earlier arrivals that one level of priority overtakes. It overtakes later ones in any case. */
export const PLACES_PER_PRIORITY = 100;

/**
 * A queue that is fair between tenants and between the owners of one tenant.
 *
 * - Tenants are served in proportion to their weights (stride scheduling: Waldspurger 1995; a tenant that returns gets
 *   no credit for its absence).
 * - Owners of one tenant take turns: after an item has been taken, the owner goes to the end of the line.
 * - A level of priority is worth {@link PLACES_PER_PRIORITY} places in that line, so a low priority waits longer but
 *   never starves.
 * - Items of one owner keep their order. In an exclusive queue, the owner's next item is withheld until the last one
 *   taken is {@link FairQueue.release}d.
 *
 * States of a lane: idle (no items or busy, in no line) ⇄ ready (has items, in its tenant's line). All operations cost
 * the same at any length, except for a logarithm of the number of waiting tenants.
 */
export class FairQueue<Item extends QueueItem> {
  /** Number of waiting items. */
  size = 0;
  /** Number of owners with an item that may be taken now. */
  ready = 0;
  readonly #exclusive: boolean;
  readonly #weightOf: (tenant: string) => number;
  readonly #tenants = new Map<string, TenantLine>();
  /** The tenant that was the last to have no lane left. */
  #idle: TenantLine | undefined;
  readonly #line = new MinHeap<TenantLine>();
  #arrivals = 0;
  #virtualTime = 0;

  constructor(exclusive: boolean, weightOf: (tenant: string) => number) {
    this.#exclusive = exclusive;
    this.#weightOf = weightOf;
  }

  /** Appends an item to its owner's lane. `busy` tells whether the owner's last item is still in flight. */
  push(owner: LaneOwner, item: Item, busy: boolean): void {
    const lane = this.#laneFor(owner, busy);
    if (lane.tail === null) lane.head = item;
    else lane.tail.nextInLane = item;
    lane.tail = item;
    item.nextInLane = null;
    this.size += 1;
    if (!lane.busy && !lane.isReady) this.#makeReady(lane);
  }

  /** Returns an item that was taken to the head of its owner's lane. */
  pushFront(owner: LaneOwner, item: Item, busy: boolean): void {
    const lane = this.#laneFor(owner, busy);
    item.nextInLane = lane.head as Item | null;
    lane.head = item;
    lane.tail ??= item;
    this.size += 1;
    if (!lane.busy && !lane.isReady) this.#makeReady(lane);
  }

  /** Returns the item that {@link FairQueue.pop} would take. */
  peek(): Item | null {
    return (this.#line.peek()?.first().head as Item | undefined) ?? null;
  }

  /** Takes the item whose turn it is; `null` when none may be taken now. */
  pop(): Item | null {
    const tenant = this.#line.peek();
    if (tenant === undefined) return null;
    const lane = tenant.takeFirst();
    this.ready -= 1;
    lane.isReady = false;
    this.#virtualTime = tenant.key;
    tenant.key += tenant.stride;
    if (tenant.isIdle) this.#line.pop();
    else this.#line.topChanged();
    const item = this.#shift(lane);
    if (this.#exclusive) lane.busy = true;
    else if (lane.head !== null) this.#makeReady(lane);
    else this.#drop(lane);
    return item;
  }

  /** Takes the first item of one owner that satisfies `fits`, even out of turn. */
  popOf(owner: LaneOwner, fits: (item: Item) => boolean): Item | null {
    const lane = this.laneOf(owner);
    if (lane === null) return null;
    let before: Item | null = null;
    let item = lane.head as Item | null;
    while (item !== null && !fits(item)) {
      before = item;
      item = item.nextInLane;
    }
    if (item === null) return null;
    if (before === null) lane.head = item.nextInLane;
    else before.nextInLane = item.nextInLane;
    if (lane.tail === item) lane.tail = before;
    item.nextInLane = null;
    this.size -= 1;
    if (lane.head === null) {
      if (lane.isReady) this.#unready(lane);
      if (!lane.busy) this.#drop(lane);
    }
    return item;
  }

  /** Returns the owner's first item without taking it. */
  peekOf(owner: LaneOwner): Item | null {
    return (this.laneOf(owner)?.head as Item | null | undefined) ?? null;
  }

  /** Allows the owner's next item to be taken. Does nothing when no item of the owner waits. */
  release(owner: LaneOwner): void {
    const lane = this.laneOf(owner);
    if (lane === null) return;
    lane.busy = false;
    if (lane.head === null) this.#drop(lane);
    else if (!lane.isReady) this.#makeReady(lane);
  }

  /** Blocks the owner's next item while another of its items is in flight outside this queue. */
  hold(owner: LaneOwner): void {
    const lane = this.laneOf(owner);
    if (lane === null || lane.busy) return;
    lane.busy = true;
    if (lane.isReady) this.#unready(lane);
  }

  /** Removes all items of one owner. Cost is linear in the owner's own items. */
  drain(owner: LaneOwner): Item[] {
    const lane = this.laneOf(owner);
    if (lane === null) return [];
    const items: Item[] = [];
    while (lane.head !== null) items.push(this.#shift(lane));
    if (lane.isReady) this.#unready(lane);
    this.#drop(lane);
    return items;
  }

  /** Returns the owner's lane in this queue, if it has one. */
  laneOf(owner: LaneOwner): Lane | null {
    let lane = owner.lanes;
    while (lane !== null && lane.queue !== this) lane = lane.nextOfOwner;
    return lane;
  }

  #shift(lane: Lane): Item {
    const item = lane.head as Item;
    lane.head = item.nextInLane;
    if (lane.head === null) lane.tail = null;
    item.nextInLane = null;
    this.size -= 1;
    return item;
  }

  #laneFor(owner: LaneOwner, busy: boolean): Lane {
    const known = this.laneOf(owner);
    if (known !== null) return known;
    let tenant = this.#tenants.get(owner.tenant);
    if (tenant === undefined) {
      tenant = new TenantLine(owner.tenant);
      this.#tenants.set(owner.tenant, tenant);
    }
    if (tenant.lanes === 0) tenant.stride = 1 / this.#weightOf(owner.tenant);
    tenant.lanes += 1;
    const lane: Lane = {
      queue: this,
      owner,
      tenant,
      head: null,
      tail: null,
      busy: busy && this.#exclusive,
      isReady: false,
      key: 0,
      nextReady: null,
      prevReady: null,
      nextOfOwner: owner.lanes,
    };
    owner.lanes = lane;
    return lane;
  }

  #makeReady(lane: Lane): void {
    const arrival = this.#arrivals++;
    lane.isReady = true;
    lane.key = arrival - lane.owner.priority * PLACES_PER_PRIORITY;
    const tenant = lane.tenant;
    if (tenant.isIdle) {
      // a newcomer starts at the end of the round; otherwise one whose items arrive singly would always be first
      tenant.key = Math.max(tenant.key, this.#virtualTime + tenant.stride);
      tenant.order = arrival;
      tenant.append(lane);
      this.#line.push(tenant);
    } else {
      tenant.append(lane);
    }
    this.ready += 1;
  }

  #unready(lane: Lane): void {
    lane.isReady = false;
    this.ready -= 1;
    lane.tenant.unlink(lane);
    if (lane.tenant.isIdle) this.#line.remove(lane.tenant);
  }

  #drop(lane: Lane): void {
    const owner = lane.owner;
    if (owner.lanes === lane) {
      owner.lanes = lane.nextOfOwner;
    } else {
      let before = owner.lanes;
      while (before !== null && before.nextOfOwner !== lane) before = before.nextOfOwner;
      if (before !== null) before.nextOfOwner = lane.nextOfOwner;
    }
    lane.tenant.lanes -= 1;
    if (lane.tenant.lanes === 0) this.#leave(lane.tenant);
  }

  /**
   * Forgets the tenant that was idle before. One stays: with a single tenant, each of its traces would be an insertion,
   * and the old tables of a `Map` keep ended traces alive until the next full garbage collection.
   */
  #leave(tenant: TenantLine): void {
    const idle = this.#idle;
    if (idle !== undefined && idle !== tenant && idle.lanes === 0) this.#tenants.delete(idle.name);
    this.#idle = tenant;
  }
}

/** The items of one owner in one queue. */
export interface Lane {
  readonly queue: unknown;
  readonly owner: LaneOwner;
  readonly tenant: TenantLine;
  head: QueueItem | null;
  tail: QueueItem | null;
  /** Whether an item of the lane is in flight and the queue is exclusive. */
  busy: boolean;
  isReady: boolean;
  key: number;
  nextReady: Lane | null;
  prevReady: Lane | null;
  nextOfOwner: Lane | null;
}

interface PriorityClass {
  readonly priority: number;
  head: Lane | null;
  tail: Lane | null;
}

/** The ready lanes of one tenant, one list per priority in use. */
class TenantLine implements HeapEntry {
  readonly name: string;
  /** Distance of its turns: the inverse of its weight. */
  stride = 1;
  key = 0;
  order = 0;
  /** Number of the tenant's lanes in the queue, ready or not. */
  lanes = 0;
  readonly #classes: PriorityClass[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get isIdle(): boolean {
    return this.#classes.length === 0;
  }

  append(lane: Lane): void {
    const list = this.#classOf(lane.owner.priority);
    lane.nextReady = null;
    lane.prevReady = list.tail;
    if (list.tail === null) list.head = lane;
    else list.tail.nextReady = lane;
    list.tail = lane;
  }

  takeFirst(): Lane {
    const first = this.first();
    this.unlink(first);
    return first;
  }

  /** Returns the lane whose turn it is. Requires a lane. */
  first(): Lane {
    let first = (this.#classes[0] as PriorityClass).head as Lane;
    for (let index = 1; index < this.#classes.length; index += 1) {
      const head = (this.#classes[index] as PriorityClass).head as Lane;
      if (head.key < first.key) first = head;
    }
    return first;
  }

  unlink(lane: Lane): void {
    const list = this.#classOf(lane.owner.priority);
    if (lane.prevReady === null) list.head = lane.nextReady;
    else lane.prevReady.nextReady = lane.nextReady;
    if (lane.nextReady === null) list.tail = lane.prevReady;
    else lane.nextReady.prevReady = lane.prevReady;
    lane.nextReady = lane.prevReady = null;
    if (list.head === null) this.#classes.splice(this.#classes.indexOf(list), 1);
  }

  #classOf(priority: number): PriorityClass {
    for (const list of this.#classes) if (list.priority === priority) return list;
    const list: PriorityClass = { priority, head: null, tail: null };
    this.#classes.push(list);
    return list;
  }
}
