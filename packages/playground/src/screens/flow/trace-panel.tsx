import { useComputed, useSignal } from "@preact/signals";
import { api } from "../../api/routes.ts";
import { plural } from "../../parts/figures.ts";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import type { CancelReport } from "../../protocol.ts";
import { pathTo } from "../../routing/route-pattern.ts";
import { isReadOnly } from "../../store/project.ts";
import { toneOfEvent } from "./event-filter.ts";
import type { WatchedFlow } from "./watch-flow.ts";

/** A trace of the list: its events so far, the way to its run, and the button that cancels it. */
export function TracePanel(props: { readonly flow: string; readonly watched: WatchedFlow; readonly trace: string }) {
  const { flow, watched, trace } = props;
  const report = useSignal<CancelReport | undefined>(undefined);
  const failure = useSignal<unknown>(undefined);
  const events = useComputed(() => {
    void watched.beat.value;
    return watched.live.events.filter(({ traceId }) => traceId === trace);
  }).value;
  const cancel = async (): Promise<void> => {
    failure.value = undefined;
    try {
      report.value = await api.cancelRun(flow, trace);
    } catch (error) {
      failure.value = error;
    }
  };
  const hasEnded = events.some(({ type }) => type === "trace_end");
  return (
    <>
      <p class="mono drawer-trace">{trace}</p>
      <div class="drawer-actions">
        <a class="button" href={pathTo("runs", flow, trace)}>
          <Icon name="runs" /> Open the run
        </a>
        {isReadOnly.value ? null : (
          <button type="button" class="button danger" disabled={hasEnded} onClick={() => void cancel()}>
            <Icon name="stop" /> Cancel it
          </button>
        )}
      </div>
      <p role="status" class="small">
        {report.value === undefined
          ? ""
          : `Cancelled: ${plural(report.value.stopped, "handler")} stopped, ${report.value.givenUp} given up, ${plural(report.value.dropped, "message")} dropped.`}
      </p>
      {failure.value === undefined ? null : <Problem error={failure.value} />}
      <h3 class="label">Its latest events</h3>
      {events.length === 0 ? (
        <p class="quiet small">None of the kept events is of this trace; the run has all of them.</p>
      ) : (
        <ul class="drawer-events">
          {events.map((event) => (
            <li key={event.seq}>
              <span class={`event-type tone-${toneOfEvent(event)}`}>{event.type}</span>{" "}
              <span class="quiet">{event.node ?? ""}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
