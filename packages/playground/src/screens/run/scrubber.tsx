import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Icon } from "../../parts/icon.tsx";
import type { RunView } from "../../protocol.ts";
import { useKeys } from "../../routing/use-keys.tsx";
import { formatMs } from "../../timeline/time-scale.ts";
import type { Travel } from "./use-travel.ts";

/** Milliseconds for which each record is shown when the run is played. */
const PLAY_MS = 180;

/** The bar with which the reader moves through the records of a run. */
export function Scrubber({ run, travel }: { readonly run: RunView; readonly travel: Travel }) {
  const { records, moment, goTo } = travel;
  const isPlaying = useSignal(false);
  const index = moment?.index ?? 0;
  useEffect(() => {
    if (!isPlaying.value) return undefined;
    if (index >= records.length) {
      isPlaying.value = false;
      return undefined;
    }
    const timer = setTimeout(() => {
      goTo(index + 1);
      if (index + 1 >= records.length) isPlaying.value = false;
    }, PLAY_MS);
    return () => clearTimeout(timer);
  }, [isPlaying.value, index, records.length]);
  const play = (): void => {
    if (!isPlaying.value && index >= records.length) goTo(0);
    isPlaying.value = !isPlaying.value;
  };
  const step = (by: number): void => {
    isPlaying.value = false;
    goTo(index + by);
  };
  useKeys([
    { keys: " ", label: "Play the run", run: play },
    {
      keys: "ArrowLeft",
      label: "A record back",
      run: () => (document.activeElement?.closest(".graph") ? false : step(-1)),
    },
    {
      keys: "ArrowRight",
      label: "A record on",
      run: () => (document.activeElement?.closest(".graph") ? false : step(1)),
    },
  ]);
  const record = records[index - 1];
  const node = record !== undefined && "node" in record.event ? record.event.node : undefined;
  const words =
    record === undefined ? "before its first record" : `${record.event.type}${node === undefined ? "" : ` · ${node}`}`;
  const since = record === undefined ? "0" : `+${formatMs(Math.max(0, record.at - run.startedAt))}`;
  return (
    <div class="scrubber">
      <div class="graph-zoom" role="group" aria-label="Time travel">
        <button type="button" aria-label="A record back" disabled={index === 0} onClick={() => step(-1)}>
          ◁
        </button>
        <button type="button" aria-label={isPlaying.value ? "Hold" : "Play the run"} onClick={play}>
          <Icon name={isPlaying.value ? "pause" : "play"} size={14} />
        </button>
        <button type="button" aria-label="A record on" disabled={index >= records.length} onClick={() => step(1)}>
          ▷
        </button>
      </div>
      <input
        type="range"
        class="scrubber-range"
        min={0}
        max={records.length}
        value={index}
        aria-label="Record of the run"
        aria-valuetext={`${index} of ${records.length}, ${since}, ${words}`}
        onInput={(event) => {
          isPlaying.value = false;
          goTo(event.currentTarget.valueAsNumber);
        }}
      />
      <span class="scrubber-at mono">{since}</span>
      <span class="scrubber-words">
        {words} <span class="quiet">{`${index} of ${records.length}`}</span>
      </span>
      {travel.isTravelling ? (
        <button type="button" class="link small" onClick={() => goTo(undefined)}>
          to the end
        </button>
      ) : null}
    </div>
  );
}
