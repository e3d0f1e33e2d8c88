import type { Engine } from "../engine/engine.ts";
import type { FlowRun } from "./flow-run.ts";

/** The begin or end of a run, on the channel `penguiflow:run`. */
export interface ObservedRun {
  readonly type: "started" | "ended";
  /** Number of the run, unique in its process. Its records and chunks have it as `run`. */
  readonly id: number;
  /** Handle of the run: its name, graph, figures, pauses, and all that a caller can do with it. */
  readonly run: FlowRun<never, unknown>;
  /** Error that ended it; absent after `stop`. */
  readonly error?: Error | undefined;
}

/** Publishes that a run has begun, and later its end, if the channel had a subscriber when it began. */
export function publishRun(
  run: FlowRun<never, unknown>,
  { tap, options }: Engine,
  ended: Promise<Error | undefined>,
): void {
  const channel = tap?.runs;
  if (tap === undefined || channel === undefined) return;
  const publish = (note: Pick<ObservedRun, "type" | "error">): void =>
    options.homeScope.runInAsyncScope(
      () => channel.publish({ ...note, id: tap.run, run } satisfies ObservedRun),
      undefined,
    );
  publish({ type: "started" });
  // it never rejects: it resolves with the error
  void ended.then((error) => publish(error === undefined ? { type: "ended" } : { type: "ended", error }));
}
