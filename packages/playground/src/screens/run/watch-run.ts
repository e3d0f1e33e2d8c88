import { signal, type ReadonlySignal } from "@preact/signals";
import { api } from "../../api/routes.ts";
import { part } from "../../api/request.ts";
import type { RunStreamItem, RunView } from "../../protocol.ts";
import { onGap, onRun } from "../../store/project.ts";
import { applyItem, isOpen } from "./run-stream.ts";

/** A run that is shown, live while it goes on. */
export interface WatchedRun {
  readonly run: ReadonlySignal<RunView | undefined>;
  readonly error: ReadonlySignal<unknown>;
  /** The present for bars that go on; it stands still once the run has ended. */
  readonly now: ReadonlySignal<number>;
  /** Reads it again. */
  readonly again: () => void;
  readonly stop: () => void;
}

const TYPES: readonly RunStreamItem["type"][] = ["snapshot", "delta", "part", "step", "pauses", "run", "end"];
const TICK_MS = 250;

/** Watches a run until it is stopped. */
export function watchRun(flow: string, id: string): WatchedRun {
  const run = signal<RunView | undefined>(undefined);
  const error = signal<unknown>(undefined);
  const now = signal(Date.now());
  let source: EventSource | undefined;
  let isStopped = false;
  let latest = 0;
  const read = async (): Promise<void> => {
    const request = ++latest;
    try {
      const found = await api.run(flow, id);
      if (isStopped || request !== latest) return;
      run.value = found;
      error.value = undefined;
      if (isOpen(found)) follow();
    } catch (cause) {
      if (!isStopped && request === latest) error.value = cause;
    }
  };
  const follow = (): void => {
    if (source !== undefined) return;
    source = new EventSource(`/api/runs/${part(flow)}/${part(id)}/stream`);
    for (const type of TYPES) {
      source.addEventListener(type, ({ data }: MessageEvent<string>) => {
        const item = { type, ...(JSON.parse(data) as object) } as RunStreamItem;
        if (run.value !== undefined) run.value = applyItem(run.value, item);
        if (item.type !== "end") return;
        leave();
        // the stream does not carry results and budgets
        void read();
      });
    }
  };
  const leave = (): void => {
    source?.close();
    source = undefined;
  };
  const ends = [
    onRun((changed) => {
      if (changed.flow === flow && changed.id === id) void read();
    }),
    onGap(() => void read()),
  ];
  const timer = setInterval(() => {
    if (run.value !== undefined && isOpen(run.value) && !document.hidden) now.value = Date.now();
  }, TICK_MS);
  void read();
  return {
    run,
    error,
    now,
    again: () => void read(),
    stop: () => {
      isStopped = true;
      leave();
      clearInterval(timer);
      for (const end of ends) end();
    },
  };
}
