import type { ComponentChildren } from "preact";
import { useComputed, type ReadonlySignal } from "@preact/signals";
import { count } from "../../parts/figures.ts";
import type { Figures, WatchedFlow } from "./watch-flow.ts";

const FIGURES: readonly { readonly figure: keyof Figures; readonly label: string; readonly isAlarming?: true }[] = [
  { figure: "traces", label: "traces under way" },
  { figure: "accepted", label: "accepted a second" },
  { figure: "failedEver", label: "failed", isAlarming: true },
  { figure: "events", label: "events a second" },
];

/** The figures of the whole flow, the legend of its pipes, and what belongs beside them. */
export function FigureStrip(props: { readonly watched: WatchedFlow; readonly children: ComponentChildren }) {
  const { watched, children } = props;
  return (
    <div class="figure-strip">
      <dl class="figures">
        {FIGURES.map(({ figure, ...words }) => (
          <Figure key={figure} figures={watched.figures} figure={figure} {...words} />
        ))}
      </dl>
      <ul class="legend" aria-label="Colours of the edges">
        <li>
          <span class="legend-pipe flowing" aria-hidden="true" /> on the edge
        </li>
        <li>
          <span class="legend-pipe filling" aria-hidden="true" /> filling, or sender held back
        </li>
        <li>
          <span class="legend-pipe full" aria-hidden="true" /> full
        </li>
      </ul>
      {children}
    </div>
  );
}

function Figure(props: {
  readonly figures: ReadonlySignal<Figures | undefined>;
  readonly figure: keyof Figures;
  readonly label: string;
  readonly isAlarming?: true;
}) {
  const text = useComputed(() => {
    const value = props.figures.value?.[props.figure];
    return value === undefined
      ? "–"
      : value > 0 && value < 10 && !Number.isInteger(value)
        ? value.toFixed(1)
        : count(value);
  });
  const isLoud = useComputed(() => props.isAlarming === true && (props.figures.value?.[props.figure] ?? 0) > 0);
  return (
    <div>
      <dt>{props.label}</dt>
      <dd data-loud={isLoud}>{text}</dd>
    </div>
  );
}
