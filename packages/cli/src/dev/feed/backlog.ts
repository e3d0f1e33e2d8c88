import type { FlowStats } from "penguiflow";
import type { FeedEvent, FeedItem, LogLine } from "@penguiflow/playground/protocol";

/** Events of a frame at most. */
const MAX_EVENTS = 400;
const MAX_LOGS = 200;
const MAX_RUNS = 200;

type Without<Item> = Item extends FeedItem ? Omit<Item, "seq"> : never;

/** An item that has no number yet. */
export type Unsent = Without<FeedItem>;

/** Items to be sent, merged and bounded: the newest figures, the latest events, each run once. */
export class Backlog {
  #events: FeedEvent[] = [];
  #skipped = 0;
  readonly #stats = new Map<string, FlowStats>();
  #logs: LogLine[] = [];
  readonly #runs = new Map<string, Unsent>();
  /** The latest item of every other type. */
  readonly #latest = new Map<string, Unsent>();

  addEvent(event: FeedEvent): void {
    this.#events.push(event);
    // the latest say most; removing one by one would be slow
    if (this.#events.length > 2 * MAX_EVENTS) this.#cutEvents();
  }

  skip(count: number): void {
    this.#skipped += count;
  }

  setStats(flow: string, stats: FlowStats): void {
    this.#stats.set(flow, stats);
  }

  addLog(line: LogLine): void {
    this.#logs.push(line);
    if (this.#logs.length > MAX_LOGS) this.#logs.shift();
  }

  addItem(item: Unsent): void {
    switch (item.type) {
      case "frame":
        for (const event of item.events) this.addEvent(event);
        for (const { flow, stats } of item.stats) this.setStats(flow, stats);
        this.skip(item.skipped);
        return;
      case "log":
        for (const line of item.lines) this.addLog(line);
        return;
      case "run": {
        const key = JSON.stringify([item.run.flow, item.run.id, item.run.tenant]);
        this.#runs.delete(key);
        this.#runs.set(key, item);
        if (this.#runs.size > MAX_RUNS) this.#runs.delete(this.#runs.keys().next().value!);
        return;
      }
      case "thread":
        this.#latest.set(`thread ${item.thread}`, item);
        return;
      case "entry":
        this.#latest.set(`entry ${item.flow}`, item);
        return;
      case "hello":
      case "overlay":
      case "pause":
      case "reload":
        this.#latest.set(item.type, item);
    }
  }

  /** Takes everything, in the order in which a page can use it. */
  take(flow?: string): Unsent[] {
    this.#cutEvents();
    const items: Unsent[] = [...this.#latest.values(), ...this.#runs.values()];
    const events = flow === undefined ? this.#events : this.#events.filter((event) => event.flow === flow);
    const stats = [...this.#stats]
      .filter(([name]) => flow === undefined || name === flow)
      .map(([name, figures]) => ({ flow: name, stats: figures }));
    if (events.length > 0 || stats.length > 0)
      items.push({ type: "frame", at: Date.now(), skipped: this.#skipped, events, stats });
    if (this.#logs.length > 0) items.push({ type: "log", lines: this.#logs });
    this.#events = [];
    this.#skipped = 0;
    this.#stats.clear();
    this.#logs = [];
    this.#runs.clear();
    this.#latest.clear();
    return items;
  }

  #cutEvents(): void {
    const over = this.#events.length - MAX_EVENTS;
    if (over <= 0) return;
    this.#skipped += over;
    this.#events = this.#events.slice(over);
  }
}
