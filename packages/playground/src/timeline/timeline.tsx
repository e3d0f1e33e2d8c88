import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { StateSign, toneOf } from "../parts/state-badge.tsx";
import { VirtualList } from "../parts/virtual-list.tsx";
import type { StepView } from "../protocol.ts";
import { type Extent, rowsOf, type TimelineRow, tookMs } from "./bars.ts";
import { formatMs, isZoomed, moveWindow, placeOf, type Tick, ticksOf, type Window, zoomWindow } from "./time-scale.ts";

export interface TimelineProps {
  readonly steps: readonly StepView[];
  readonly extent: Extent;
  /** The present for what goes on, in epoch milliseconds. */
  readonly now: number;
  readonly selected?: string | undefined;
  readonly onSelect: (step: StepView) => void;
  /** An instant that is marked: that of the scrubber. */
  readonly marker?: number | undefined;
}

const ROW = 26;
const ZOOM_STEP = 0.7;
/** Most rows that are shown without scrolling. */
const TALLEST = 16;

/** The steps of a run as bars. It can be zoomed and dragged; short steps share a row, groups fold. */
export function Timeline(props: TimelineProps) {
  const { steps, extent, now } = props;
  const folded = useSignal<ReadonlySet<string>>(new Set());
  const isShortHidden = useSignal(true);
  const chosen = useSignal<Window | undefined>(undefined);
  const dragged = useRef<{ x: number; width: number } | undefined>(undefined);
  const window = chosen.value ?? extent;
  const view = { folded: folded.value, isShortHidden: isShortHidden.value };
  const rows = rowsOf(steps, extent, now, view);
  const short = rows.reduce((sum, row) => sum + (row.type === "short" ? row.steps.length : 0), 0);
  const ticks = ticksOf(window, extent.from);
  const zoom = (factor: number, around = (window.from + window.to) / 2): void => {
    const next = zoomWindow(window, factor, around, extent);
    chosen.value = isZoomed(next, extent) ? next : undefined;
  };
  const trackOf = (event: MouseEvent): DOMRect | undefined =>
    (event.currentTarget as Element).querySelector(".track")?.getBoundingClientRect();
  const fold = (key: string): void => {
    const next = new Set(folded.value);
    if (!next.delete(key)) next.add(key);
    folded.value = next;
  };
  return (
    <section class="timeline" aria-label="Timeline">
      <header class="timeline-head">
        <h2 class="label">Timeline</h2>
        {short > 0 || !isShortHidden.value ? (
          <button
            type="button"
            class="link small"
            aria-pressed={!isShortHidden.value}
            onClick={() => (isShortHidden.value = !isShortHidden.value)}
          >
            {isShortHidden.value ? `Show ${short} short steps` : "Gather short steps"}
          </button>
        ) : null}
        <div class="graph-zoom timeline-zoom" role="group" aria-label="Zoom of the timeline">
          <button type="button" aria-label="Zoom in" title="Zoom in" onClick={() => zoom(ZOOM_STEP)}>
            +
          </button>
          <button type="button" aria-label="Zoom out" title="Zoom out" onClick={() => zoom(1 / ZOOM_STEP)}>
            −
          </button>
          <button type="button" disabled={chosen.value === undefined} onClick={() => (chosen.value = undefined)}>
            fit
          </button>
        </div>
      </header>
      <div
        class="timeline-rows"
        style={{ height: `${Math.min(rows.length, TALLEST) * ROW + 2}px` }}
        onWheel={(event) => {
          const track = trackOf(event);
          if (track === undefined || !(event.ctrlKey || event.metaKey)) return;
          event.preventDefault();
          const around = window.from + ((event.clientX - track.left) / track.width) * (window.to - window.from);
          zoom(Math.exp(event.deltaY / 300), around);
        }}
        onPointerDown={(event) => {
          const track = trackOf(event);
          if (chosen.value !== undefined && track !== undefined)
            dragged.current = { x: event.clientX, width: track.width };
        }}
        onPointerMove={(event) => {
          const start = dragged.current;
          if (start === undefined || event.buttons === 0) return;
          const byMs = ((start.x - event.clientX) / start.width) * (window.to - window.from);
          dragged.current = { ...start, x: event.clientX };
          chosen.value = moveWindow(window, byMs, extent);
        }}
        onPointerUp={() => (dragged.current = undefined)}
      >
        <VirtualList
          items={rows}
          rowHeight={ROW}
          label="Steps"
          keyOf={(row) => row.key}
          current={rows.findIndex((row) => row.type === "step" && row.step.id === props.selected)}
          row={(row) => (
            <Row
              row={row}
              window={window}
              ticks={ticks}
              now={now}
              marker={props.marker}
              isSelected={row.type === "step" && row.step.id === props.selected}
              onClick={() => {
                if (row.type === "step") props.onSelect(row.step);
                else if (row.type === "group") fold(row.key);
                else isShortHidden.value = false;
              }}
            />
          )}
        />
      </div>
      <Axis ticks={ticks} window={window} />
      <Legend />
    </section>
  );
}

interface RowProps {
  readonly row: TimelineRow;
  readonly window: Window;
  readonly ticks: readonly Tick[];
  readonly now: number;
  readonly marker: number | undefined;
  readonly isSelected: boolean;
  readonly onClick: () => void;
}

function Row({ row, window, ticks, now, marker, isSelected, onClick }: RowProps) {
  const state = row.type === "short" ? "done" : row.type === "step" ? row.step.state : row.state;
  const tone = toneOf(state);
  const took = row.type === "step" ? tookMs(row.step, now) : row.to - row.from;
  return (
    <button
      type="button"
      class={`bar-row tone-${tone}`}
      data-type={row.type}
      aria-current={isSelected ? "step" : undefined}
      aria-expanded={row.type === "group" ? !row.isFolded : undefined}
      onClick={onClick}
    >
      <span class="bar-name" style={{ paddingLeft: `${row.depth * 14}px` }}>
        {row.type === "group" ? (
          <span class="bar-fold" aria-hidden="true">
            {row.isFolded ? "▸" : "▾"}
          </span>
        ) : (
          <StateSign tone={tone} />
        )}
        <span class="bar-text">{nameOf(row)}</span>
        <span class="sr-only">, {state}, </span>
        {row.type === "step" && row.step.attempt > 1 ? <span class="quiet">×{row.step.attempt}</span> : null}
      </span>
      <span class="track">
        {ticks.map(({ at }) => (
          <i key={at} class="tick" style={{ left: `${placeOf(at, window) * 100}%` }} />
        ))}
        {row.type === "step" ? (
          row.spans.map((span) => <Bar key={`${span.kind} ${span.from}`} {...span} window={window} />)
        ) : (
          <Bar kind={row.type} from={row.from} to={row.to} window={window} />
        )}
        {row.type === "step" && row.spans.length === 0 ? (
          <Bar kind="ran" from={row.from} to={row.from} window={window} />
        ) : null}
        {marker === undefined ? null : <i class="marker" style={{ left: `${placeOf(marker, window) * 100}%` }} />}
      </span>
      <span class="bar-took">{formatMs(took) === "0" ? "<1 ms" : formatMs(took)}</span>
    </button>
  );
}

function Bar({ kind, from, to, window }: { kind: string; from: number; to: number; window: Window }) {
  const start = Math.max(0, placeOf(from, window));
  const end = Math.min(1, placeOf(to, window));
  if (end < 0 || start > 1) return null;
  return (
    <i
      class={`bar bar-${kind}`}
      style={{ left: `min(${start * 100}%, 100% - 2px)`, width: `${Math.max(0, end - start) * 100}%` }}
    />
  );
}

function Axis({ ticks, window }: { readonly ticks: readonly Tick[]; readonly window: Window }) {
  return (
    <div class="timeline-axis" aria-hidden="true">
      <span class="track">
        {ticks.map(({ at, label }) => (
          <span key={at} style={{ left: `${placeOf(at, window) * 100}%` }}>
            {label}
          </span>
        ))}
      </span>
    </div>
  );
}

const LEGEND = [
  ["queued", "waited in line"],
  ["ran", "ran"],
  ["held", "held back by the next node"],
  ["asked", "waits for a person"],
  ["slept", "sleeps, or waits for a signal"],
] as const;

function Legend() {
  return (
    <ul class="legend timeline-legend" aria-label="Parts of the bars">
      {LEGEND.map(([kind, text]) => (
        <li key={kind}>
          <i class={`bar bar-${kind} tone-completed`} aria-hidden="true" /> {text}
        </li>
      ))}
    </ul>
  );
}

function nameOf(row: TimelineRow): string {
  if (row.type === "step") return row.step.node;
  return row.type === "group" ? `${row.name} (${row.steps})` : `${row.steps.length} short steps`;
}
