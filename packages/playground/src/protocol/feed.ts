import type { FlowStats } from "penguiflow";
import type { EntryView } from "./entry.ts";
import type { LogLine } from "./log-line.ts";
import type { Overlay, Reload } from "./project.ts";
import type { RunSummary } from "./run.ts";

/**
 * `GET /api/events?flow=&since=`: server-sent events, each with one of these as data and its `type` as name. The
 * browser sends the id of the last one when it connects again; `since` takes the same id. One that is too long ago, or
 * of an earlier server, gives a `hello` with `isGap`: read everything again. `since` of such an id gives 410 `SEQ_GONE`.
 */
export type FeedItem =
  /** The first item of every connection. */
  | { readonly type: "hello"; readonly seq: number; readonly generation: number; readonly isGap: boolean }
  | ({ readonly type: "frame" } & Frame)
  /** Code was loaded: flows may have come, changed or gone. */
  | { readonly type: "reload"; readonly seq: number; readonly reload: Reload }
  /** `overlay` is absent when code loads again. */
  | { readonly type: "overlay"; readonly seq: number; readonly overlay?: Overlay }
  /** Pauses were opened or answered; `open` is their number. */
  | { readonly type: "pause"; readonly seq: number; readonly open: number }
  | { readonly type: "log"; readonly seq: number; readonly lines: readonly LogLine[] }
  /** A run began or changed its state. */
  | { readonly type: "run"; readonly seq: number; readonly run: RunSummary }
  /** The entry of a flow is held or open, or another number of messages waits there. */
  | ({ readonly type: "entry"; readonly seq: number; readonly flow: string } & EntryView)
  | { readonly type: "thread"; readonly seq: number; readonly thread: string; readonly flow: string };

/** Changes since the last frame: at most ten a second, none while nothing changes. */
export interface Frame {
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Number of events that were left out because the reader was slow or there were too many. */
  readonly skipped: number;
  readonly events: readonly FeedEvent[];
  /** Figures of the flows that changed. */
  readonly stats: readonly { readonly flow: string; readonly stats: FlowStats }[];
}

/** An event of a flow on the feed, short. */
export interface FeedEvent {
  readonly seq: number;
  readonly at: number;
  readonly flow: string;
  /** Names of the playbooks and subflows around the node, outermost first; absent for none. */
  readonly path?: readonly string[];
  readonly type: string;
  readonly traceId: string;
  readonly tenant: string;
  readonly node?: string;
  /** The message's identity within its trace. */
  readonly lineage?: string;
  /** The node that sent the message; absent when it came from outside. */
  readonly from?: string;
  readonly code?: string;
  /** Milliseconds of the handler, of an event that ends an attempt. */
  readonly ms?: number;
  /** Names of the nodes of a deadlock, first and last the same. */
  readonly cycle?: readonly string[];
}
