import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { span } from "../../parts/figures.ts";
import { StateSign, toneOf } from "../../parts/state-badge.tsx";
import type { RunSummary, StepView } from "../../protocol.ts";
import { isOpen } from "../../store/run-state.ts";
import { extentOf, spansOf, tookMs, type Extent } from "../../timeline/bars.ts";
import { placeOf } from "../../timeline/time-scale.ts";

/** Rows that are shown before the rest is left to the run's own page. */
const MOST_ROWS = 40;
const TICK_MS = 250;
const TICKS = [0, 0.2, 0.4, 0.6, 0.8];

/** The steps of a run as bars, the latest last. */
export function StepBars(props: {
  readonly run: RunSummary;
  readonly steps: readonly StepView[];
  readonly chosen: string | undefined;
  readonly choose: (step: string) => void;
}) {
  const { run, steps } = props;
  const now = useNow(isOpen(run));
  const extent = extentOf(run, steps, now);
  const shown = steps.slice(-MOST_ROWS);
  if (steps.length === 0) return <p class="quiet small">No step has begun yet.</p>;
  return (
    <>
      {shown.length < steps.length ? (
        <p class="quiet small">{steps.length - shown.length} earlier steps are on the page of the run.</p>
      ) : null}
      <ul class="step-bars">
        {shown.map((step) => (
          <li key={step.id}>
            <Row
              step={step}
              extent={extent}
              now={now}
              isChosen={step.id === props.chosen}
              choose={() => props.choose(step.id)}
            />
          </li>
        ))}
      </ul>
      <Legend steps={steps} now={now} />
    </>
  );
}

interface RowProps {
  readonly step: StepView;
  readonly extent: Extent;
  readonly now: number;
  readonly isChosen: boolean;
  readonly choose: () => void;
}

function Row({ step, extent, now, isChosen, choose }: RowProps) {
  const tone = toneOf(step.state);
  return (
    <button type="button" class={`bar-row tone-${tone}`} aria-pressed={isChosen} onClick={choose}>
      <span class="bar-name">
        <StateSign tone={tone} />
        <span class="bar-text">{[...step.path, step.node].join(" / ")}</span>
        {step.attempt > 1 ? <span class="quiet">×{step.attempt}</span> : null}
        <span class="sr-only">{step.state}</span>
      </span>
      <span class="track">
        {TICKS.map((at) => (
          <i key={at} class="tick" style={{ left: `${at * 100}%` }} />
        ))}
        {spansOf(step, now).map(({ kind, from, to }) => {
          const left = placeOf(from, extent);
          const width = placeOf(to, extent) - left;
          return (
            <i
              key={`${kind} ${from}`}
              class={`bar bar-${kind}`}
              style={{ left: `${left * 100}%`, width: `${width * 100}%` }}
            />
          );
        })}
      </span>
      <span class="bar-took">{span(tookMs(step, now))}</span>
    </button>
  );
}

const LEGEND = [
  ["queued", "waited in line"],
  ["ran", "ran"],
  ["held", "held back by the next node"],
  ["asked", "waits for a person"],
] as const;

/** Explains the parts of bars that are there; a run of solid bars needs no words. */
function Legend({ steps, now }: { readonly steps: readonly StepView[]; readonly now: number }) {
  const kinds = new Set(steps.flatMap((step) => spansOf(step, now).map(({ kind }) => kind)));
  const shown = LEGEND.filter(([kind]) => kinds.has(kind));
  return shown.length < 2 ? null : (
    <ul class="legend" aria-label="Parts of the bars">
      {shown.map(([kind, text]) => (
        <li key={kind}>
          <i class={`bar bar-${kind} tone-completed`} aria-hidden="true" /> {text}
        </li>
      ))}
    </ul>
  );
}

/** Returns the present, four times a second while `isMoving`. */
function useNow(isMoving: boolean): number {
  const now = useSignal(Date.now());
  useEffect(() => {
    if (!isMoving) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden) now.value = Date.now();
    }, TICK_MS);
    return () => clearInterval(timer);
  }, [isMoving]);
  return now.value;
}
