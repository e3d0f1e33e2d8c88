import { computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import { api } from "../../api/routes.ts";
import type { RunView } from "../../protocol.ts";
import { type FollowedRun, followRun } from "../../store/live-run.ts";
import { onGap, onRun } from "../../store/project.ts";
import { isOpen } from "../../store/run-state.ts";

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

const TICK_MS = 250;

/** Watches a run until it is stopped. */
export function watchRun(flow: string, id: string): WatchedRun {
  const view = signal<RunView | undefined>(undefined);
  const followed = signal<FollowedRun | undefined>(undefined);
  const run = computed(() => {
    const { run: summary, ...rest } = followed.value?.state.value ?? { run: undefined };
    return view.value && { ...view.value, ...summary, ...rest };
  });
  const error = signal<unknown>(undefined);
  const now = signal(Date.now());
  let isStopped = false;
  let latest = 0;
  const read = async (): Promise<void> => {
    const request = ++latest;
    try {
      const found = await api.run(flow, id);
      if (isStopped || request !== latest) return;
      view.value = found;
      error.value = undefined;
      const told = followed.peek()?.state.peek();
      if (!isOpen(found) || (told !== undefined && !isOpen(told.run))) leave();
      if (isOpen(found)) followed.value ??= followRun(flow, id);
    } catch (cause) {
      if (!isStopped && request === latest) error.value = cause;
    }
  };
  const leave = (): void => {
    followed.peek()?.close();
    followed.value = undefined;
  };
  const ends = [
    onRun((changed) => {
      if (changed.flow === flow && changed.id === id) void read();
    }),
    onGap(() => void read()),
    effect(() => {
      const told = followed.value?.state.value;
      // the stream does not carry results and budgets
      if (told !== undefined && !isOpen(told.run)) queueMicrotask(() => void read());
    }),
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
