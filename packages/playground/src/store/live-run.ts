import { signal, type ReadonlySignal } from "@preact/signals";
import { openFeed } from "../api/event-feed.ts";
import type { RunStreamItem } from "../protocol.ts";
import { probeServer } from "./project.ts";
import { applied, type RunLive } from "./run-state.ts";

/** A run that is followed while it goes on. */
export interface FollowedRun {
  /** `undefined` until the server has told its state. */
  readonly state: ReadonlySignal<RunLive | undefined>;
  /** Stops following; the run goes on. */
  readonly close: () => void;
}

/** Follows a run to its end. Items of one frame of the screen are applied together. */
export function followRun(flow: string, id: string): FollowedRun {
  const state = signal<RunLive | undefined>(undefined);
  const waiting: RunStreamItem[] = [];
  let isDrawn = true;
  function draw(): void {
    isDrawn = true;
    state.value = waiting.splice(0).reduce(applied, state.value);
  }
  const close = openFeed<RunStreamItem & { readonly seq?: number }>({
    url: `/api/runs/${encodeURIComponent(flow)}/${encodeURIComponent(id)}/stream`,
    types: ["snapshot", "delta", "part", "step", "pauses", "run", "end"],
    onItem: (item) => {
      waiting.push(item);
      // the stream closes after its end, and the browser would open it again
      if (item.type === "end") close();
      if (!isDrawn) return;
      isDrawn = false;
      // a hidden page draws no frames
      if (document.hidden) draw();
      else requestAnimationFrame(draw);
    },
    onState: () => undefined,
    onGap: () => undefined,
    probe: probeServer,
  });
  return { state, close };
}
