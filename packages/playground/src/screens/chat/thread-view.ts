import { batch, effect, signal, type ReadonlySignal } from "@preact/signals";
import { api } from "../../api/routes.ts";
import type { RunSummary, ThreadView, TurnView } from "../../protocol.ts";
import { followRun, type FollowedRun } from "../../store/live-run.ts";
import { onGap, onRun, onThread } from "../../store/project.ts";
import { isOpen, type RunLive } from "../../store/run-state.ts";

/**
 * A thread that is shown: its turns, and the live state of the run that goes on. It rejoins that run after a reload
 * of the page or a dropped stream, since the server tells the run's state first.
 */
export interface OpenThread {
  readonly id: string;
  readonly thread: ReadonlySignal<ThreadView | undefined>;
  readonly error: ReadonlySignal<unknown>;
  /** The run that goes on or was followed last. */
  readonly live: ReadonlySignal<RunLive | undefined>;
  /** Reads the thread again. */
  readonly read: () => Promise<void>;
  readonly close: () => void;
}

/** Opens a thread. */
export function openThread(id: string): OpenThread {
  const thread = signal<ThreadView | undefined>(undefined);
  const error = signal<unknown>(undefined);
  const live = signal<RunLive | undefined>(undefined);
  let followed: { readonly id: string; readonly run: FollowedRun; readonly stop: () => void } | undefined;
  let reads = 0;

  async function read(): Promise<void> {
    const mine = (reads += 1);
    try {
      const view = await api.thread(id);
      if (mine !== reads) return;
      batch(() => {
        thread.value = view;
        error.value = undefined;
      });
      const last = view.turns.at(-1);
      if (last !== undefined && isOpen(last.run)) follow(last.run);
    } catch (cause) {
      if (mine === reads) error.value = cause;
    }
  }

  function follow(run: RunSummary): void {
    if (followed?.id === run.id) return;
    unfollow();
    const following = followRun(run.flow, run.id);
    const stop = effect(() => {
      live.value = following.state.value;
    });
    followed = { id: run.id, run: following, stop };
  }

  function unfollow(): void {
    followed?.stop();
    followed?.run.close();
    followed = undefined;
  }

  const listeners = [
    onThread((changed) => changed === id && void read()),
    onRun((run) => run.thread === id && !(followed?.id === run.id && isOpen(run)) && void read()),
    onGap(() => void read()),
  ];
  void read();
  return {
    id,
    thread,
    error,
    live,
    read,
    close() {
      reads += 1;
      for (const end of listeners) end();
      unfollow();
    },
  };
}

/** Returns a turn with the live state of its run in place of what was read, which may be older. */
export function liveTurn(turn: TurnView, live: RunLive | undefined): TurnView {
  if (live?.run.id !== turn.run.id) return turn;
  const isNewer = isOpen(live.run) || !isOpen(turn.run);
  return isNewer ? { ...turn, run: live.run, parts: live.parts } : turn;
}
