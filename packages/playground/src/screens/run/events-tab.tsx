import type { FlowEvent } from "penguiflow";
import { VirtualList } from "../../parts/virtual-list.tsx";
import type { RunEvent, RunView } from "../../protocol.ts";
import { formatMs } from "../../timeline/time-scale.ts";
import { toneOfEvent } from "../flow/event-filter.ts";

interface EventsTabProps {
  readonly run: RunView;
  readonly records: readonly RunEvent[];
  /** Number of records that have happened in the moment shown. */
  readonly current: number | undefined;
  readonly onSelect: (index: number) => void;
}

/** All records of a run; a click shows the run as it was after one. */
export function EventsTab({ run, records, current, onSelect }: EventsTabProps) {
  return (
    <VirtualList
      items={records}
      rowHeight={26}
      label="Records of the run"
      keyOf={({ seq }) => String(seq)}
      current={current === undefined ? -1 : current - 1}
      row={(record, index) => (
        <button
          type="button"
          class="record-row"
          aria-current={index + 1 === current ? "step" : undefined}
          onClick={() => onSelect(index + 1)}
        >
          <EventWords run={run} event={record.event} at={record.at} />
        </button>
      )}
    />
  );
}

/** The events of a step. */
export function EventList({ run, events }: { readonly run: RunView; readonly events: readonly FlowEvent[] }) {
  if (events.length === 0) return <p class="inspector-none">None was kept.</p>;
  return (
    <ul class="record-list">
      {events.map((event, index) => (
        <li key={index}>
          <div class="record-row">
            <EventWords run={run} event={event} at={event.at} />
          </div>
        </li>
      ))}
    </ul>
  );
}

function EventWords({ run, event, at }: { readonly run: RunView; readonly event: FlowEvent; readonly at: number }) {
  const { flow, traceId, tenant, type } = event;
  const node = "node" in event ? event.node : "";
  const code = "error" in event && event.error !== undefined ? event.error.code : undefined;
  const tone = toneOfEvent({ seq: 0, at, flow, traceId, tenant, type, ...(code !== undefined && { code }) });
  return (
    <>
      <time>+{formatMs(Math.max(0, at - run.startedAt))}</time>
      <span class={`event-type tone-${tone}`}>{type}</span>
      <span class="record-node">{node}</span>
      <span class="quiet record-detail">{detailOf(event)}</span>
    </>
  );
}

/** Says of an event what its type does not. */
function detailOf(event: FlowEvent): string {
  if ("error" in event && event.error !== undefined) return `${event.error.code}: ${event.error.message}`;
  if (event.type === "node_success") return formatMs(event.latencyMs);
  if (event.type === "node_retry") return `after ${formatMs(event.delayMs)}`;
  if (event.type === "trace_end") return event.status;
  if (event.type === "join_wait") return `${event.have} of ${event.want}`;
  if (event.type === "deadlock") return event.cycle.join(" → ");
  return "reason" in event && typeof event.reason === "string" ? event.reason : "";
}
