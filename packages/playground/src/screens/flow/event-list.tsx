import { useComputed, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { count } from "../../parts/figures.ts";
import type { FeedEvent } from "../../protocol.ts";
import { setQuery } from "../../routing/router.ts";
import { useKeys } from "../../routing/use-keys.tsx";
import { latestMatching, toneOfEvent } from "./event-filter.ts";
import type { WatchedFlow } from "./watch-flow.ts";

/** Rows while the list moves; all kept ones once it is held. */
const MOVING_ROWS = 30;

/** The latest events, four times a second. Space holds the list, `/` filters it. */
export function EventList({ watched }: { readonly watched: WatchedFlow }) {
  const filter = useSignal("");
  const held = useSignal<readonly FeedEvent[] | undefined>(undefined);
  const isFolded = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  const toggle = (): void => {
    held.value = held.value === undefined ? [...watched.live.events] : undefined;
  };
  useKeys([
    { keys: " ", label: "Hold the list of events", run: toggle },
    {
      keys: "/",
      label: "Filter the events",
      run: () => {
        isFolded.value = false;
        input.current?.focus();
      },
    },
  ]);
  const rows = useComputed(() => {
    void watched.beat.value;
    return held.value === undefined
      ? latestMatching(watched.live.events, filter.value, MOVING_ROWS)
      : latestMatching(held.value, filter.value, held.value.length);
  });
  const rate = useComputed(() => {
    void watched.beat.value;
    return `${count(watched.figures.peek()?.events ?? 0)} a second`;
  });
  return (
    <section class="events" aria-label="Events" data-folded={isFolded}>
      <header class="events-head">
        <button
          type="button"
          class="events-fold"
          aria-expanded={!isFolded.value}
          onClick={() => (isFolded.value = !isFolded.value)}
        >
          <span aria-hidden="true">{isFolded.value ? "▸" : "▾"}</span> Events
        </button>
        <span class="quiet small">{held.value === undefined ? <>{rate}, the latest shown</> : "held"}</span>
        <input
          ref={input}
          class="field events-filter"
          type="search"
          placeholder="Filter by node, type, trace, tenant"
          aria-label="Filter the events"
          value={filter}
          onInput={(event) => (filter.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            filter.value = "";
            event.currentTarget.blur();
          }}
        />
        <button type="button" class="button small" aria-pressed={held.value !== undefined} onClick={toggle}>
          <kbd class="key" aria-hidden="true">
            Space
          </kbd>
          {held.value === undefined ? "hold" : "go on"}
        </button>
      </header>
      {isFolded.value ? null : (
        <div class="events-rows" tabIndex={0} role="group" aria-label="Latest events, newest first">
          {rows.value.length === 0 ? (
            <p class="events-none">
              {filter.value === ""
                ? "Nothing has happened since this page was opened."
                : "No event has all these words."}
            </p>
          ) : (
            rows.value.map((event, index) => <EventRow key={index} event={event} />)
          )}
        </div>
      )}
    </section>
  );
}

function EventRow({ event }: { readonly event: FeedEvent }) {
  const { at, type, node, path, traceId, tenant, ms, code } = event;
  return (
    <div class="event-row">
      <time>{clock(at)}</time>
      <span class={`event-type tone-${toneOfEvent(event)}`}>{type}</span>
      <span class="event-node">{[...(path ?? []), node ?? ""].join("/")}</span>
      <button
        type="button"
        class="event-trace"
        tabIndex={-1}
        onClick={() => setQuery({ trace: traceId, node: undefined, show: undefined })}
      >
        {traceId}
      </button>
      <span class="event-more">
        {ms === undefined ? "" : `${Math.round(ms)} ms `}
        {code ?? ""}
        <span class="event-tenant"> {tenant}</span>
      </span>
    </div>
  );
}

function clock(at: number): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, "0");
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}
