import { signal, type ReadonlySignal } from "@preact/signals";
import { DotLayer } from "../../graph/dot-layer.ts";
import type { DrawnGraph } from "../../graph/drawn-graph.ts";
import { type GraphPaint, paintOfStats } from "../../graph/graph-paint.ts";
import type { FlowView } from "../../protocol.ts";
import { onFrame } from "../../store/project.ts";
import { LiveFlow, type Rates } from "./live-flow.ts";

/** Figures of the strip above the picture. */
export interface Figures extends Rates {
  readonly traces: number;
  readonly failedEver: number;
}

/** A flow that is watched, as signals with the rates at which a reader can follow them. */
export interface WatchedFlow {
  readonly live: LiveFlow;
  readonly dots: DotLayer;
  /** Ten times a second at most. */
  readonly paint: ReadonlySignal<GraphPaint>;
  readonly figures: ReadonlySignal<Figures | undefined>;
  /** Counts up four times a second while there is something new: lists read their data from `live` then. */
  readonly beat: ReadonlySignal<number>;
  /** Ends it. */
  readonly stop: () => void;
}

const LIST_MS = 250;
const NOTHING: GraphPaint = { nodes: new Map(), edges: new Map() };

/** Watches a flow until it is stopped. */
export function watchFlow(view: FlowView, drawn: DrawnGraph): WatchedFlow {
  const dots = new DotLayer(drawn.edges);
  const live = new LiveFlow(view.name, view.graph, (edge, delayMs) => dots.send(edge, delayMs));
  live.stats = view.stats;
  const paint = signal<GraphPaint>(view.stats === undefined ? NOTHING : paintOfStats(view.stats, live.latencyOf));
  const figures = signal<Figures | undefined>(undefined);
  const beat = signal(0);
  let isNew = true;
  const show = (now: number): void => {
    if (live.stats === undefined || document.hidden) return;
    const { traces, outcomes } = live.stats;
    figures.value = { ...live.rates(now), traces, failedEver: outcomes.failed + outcomes.exhausted };
  };
  // the server's clock and that of this page may differ: rates age by the time that passes here
  let last = { frame: Date.now(), here: Date.now() };
  show(last.frame);
  const end = onFrame((frame) => {
    live.take(frame);
    isNew = true;
    last = { frame: frame.at, here: Date.now() };
    if (document.hidden) return;
    if (frame.stats.some(({ flow }) => flow === view.name) && live.stats !== undefined)
      paint.value = paintOfStats(live.stats, live.latencyOf);
    show(frame.at);
  });
  const timer = setInterval(() => {
    // no frame comes while nothing changes: the rates sink to 0 all the same
    if (!isNew && (figures.value?.events ?? 0) > 0) show(last.frame + Date.now() - last.here);
    if (!isNew || document.hidden) return;
    isNew = false;
    beat.value++;
  }, LIST_MS);
  return {
    live,
    dots,
    paint,
    figures,
    beat,
    stop: () => {
      end();
      clearInterval(timer);
    },
  };
}
