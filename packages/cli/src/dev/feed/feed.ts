import { randomBytes } from "node:crypto";
import type { FlowEvent, FlowStats } from "penguiflow";
import type { FeedEvent, FeedItem, LogLine } from "@penguiflow/playground/protocol";
import { ApiError } from "../server/api-error.ts";
import type { EventStream } from "../server/event-stream.ts";
import { Backlog, type Unsent } from "./backlog.ts";

/** Milliseconds between frames. */
const FRAME_MS = 100;
/** Items that a page which connects again is sent. */
const MAX_KEPT = 300;

interface Reader {
  readonly flow: string | undefined;
  readonly stream: EventStream;
  readonly backlog: Backlog;
}

/** The live feed: what happens in all flows, in frames, to any number of pages. */
export class Feed implements Disposable {
  /** Tells this start of the server from others, whose sequence numbers mean nothing here. */
  readonly #start = randomBytes(4).toString("hex");
  readonly #readers = new Set<Reader>();
  readonly #kept: { readonly seq: number; readonly item: FeedItem }[] = [];
  readonly #gathering = new Backlog();
  #seq = 0;
  #eventSeq = 0;
  #timer: NodeJS.Timeout | undefined;

  get hasReaders(): boolean {
    return this.#readers.size > 0;
  }

  /** Adds what has happened in the flows. It is sent with the next frame. */
  add(
    events: readonly FlowEvent[],
    stats: readonly { readonly flow: string; readonly stats: FlowStats }[],
    skipped: number,
    rootOf: (flow: string) => string,
  ): void {
    for (const event of events) this.#gathering.addEvent(this.#short(event, rootOf));
    for (const one of stats) this.#gathering.setStats(one.flow, one.stats);
    this.#gathering.skip(skipped);
    this.#schedule();
  }

  addLog(line: LogLine): void {
    this.#gathering.addLog(line);
    this.#schedule();
  }

  /** Sends an item of its own, with the next frame. */
  tell(item: Unsent): void {
    this.#gathering.addItem(item);
    this.#schedule();
  }

  /**
   * Adds a reader, and sends it what it has missed.
   *
   * @param since - id of the last item that it has had
   * @throws ApiError `SEQ_GONE` if `since` is asked for in the URL and is not kept
   */
  check(since: string | undefined): void {
    if (since !== undefined && this.#missedSince(since) === undefined)
      throw new ApiError("SEQ_GONE", "What came after that is not kept any more: read everything again");
  }

  join(
    stream: EventStream,
    {
      since,
      flow,
      generation,
    }: { readonly since: string | undefined; readonly flow: string | undefined; readonly generation: number },
  ): Reader {
    const missed = since === undefined ? [] : this.#missedSince(since);
    const reader: Reader = { flow, stream, backlog: new Backlog() };
    this.#readers.add(reader);
    this.#send(reader, { type: "hello", seq: this.#seq, generation, isGap: missed === undefined });
    for (const { item } of missed ?? []) this.#send(reader, item);
    return reader;
  }

  leave(reader: Reader): void {
    this.#readers.delete(reader);
  }

  /** Sends a reader that was behind what has gathered for it meanwhile. */
  drained({ stream, backlog, flow }: Reader): void {
    for (const item of backlog.take(flow)) this.#write(stream, this.#numbered(item));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const { stream } of this.#readers) stream.close();
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const unsent of this.#gathering.take()) {
        const item = this.#numbered(unsent);
        this.#kept.push({ seq: this.#seq, item });
        if (this.#kept.length > MAX_KEPT) this.#kept.shift();
        for (const reader of this.#readers) this.#send(reader, item);
      }
    }, FRAME_MS);
  }

  #numbered(item: Unsent): FeedItem {
    this.#seq += 1;
    return { ...item, seq: this.#seq };
  }

  #send({ stream, backlog, flow }: Reader, item: FeedItem): void {
    if (stream.isBehind) backlog.addItem(item);
    else {
      const seen = ofFlow(item, flow);
      if (seen !== undefined) this.#write(stream, seen);
    }
  }

  #write(stream: EventStream, item: FeedItem): void {
    stream.send(item, `${this.#start}.${item.seq}`);
  }

  #missedSince(since: string): readonly { readonly item: FeedItem }[] | undefined {
    const [start, text = ""] = since.split(".");
    const seq = Number(text);
    if (start !== this.#start || !Number.isSafeInteger(seq) || seq > this.#seq) return undefined;
    const oldest = this.#kept[0]?.seq ?? this.#seq + 1;
    return seq + 1 < oldest ? undefined : this.#kept.filter((kept) => kept.seq > seq);
  }

  #short(event: FlowEvent, rootOf: (flow: string) => string): FeedEvent {
    this.#eventSeq += 1;
    const { at, type, traceId, tenant, node, lineage, from, error, cycle, runMs, latencyMs } = event as FlowEvent & {
      readonly node?: string;
      readonly lineage?: string;
      readonly from?: string;
      readonly error?: { readonly code?: string };
      readonly cycle?: readonly string[];
      readonly runMs?: number;
      readonly latencyMs?: number;
    };
    const flow = rootOf(event.flow);
    const ms = runMs ?? latencyMs;
    return {
      seq: this.#eventSeq,
      at,
      flow,
      type,
      traceId,
      tenant,
      ...(flow !== event.flow && { path: event.flow.slice(flow.length + 1).split("/") }),
      ...(node !== undefined && { node }),
      ...(lineage !== undefined && { lineage }),
      ...(from !== undefined && { from }),
      ...(error?.code !== undefined && { code: error.code }),
      ...(ms !== undefined && { ms }),
      ...(cycle !== undefined && { cycle }),
    };
  }
}

/** Returns what a page of one flow sees of an item. */
function ofFlow(item: FeedItem, flow: string | undefined): FeedItem | undefined {
  if (flow === undefined || item.type !== "frame") return item;
  const events = item.events.filter((event) => event.flow === flow);
  const stats = item.stats.filter((one) => one.flow === flow);
  return events.length === 0 && stats.length === 0 ? undefined : { ...item, events, stats };
}
