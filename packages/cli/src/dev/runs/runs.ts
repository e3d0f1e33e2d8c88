import type { DatabaseSync } from "node:sqlite";
import type { ErrorPayload } from "penguiflow";
import type { RunSummary } from "@penguiflow/playground/protocol";
import type { Begun, Fact, RunFact } from "../ipc/fact.ts";
import { ApiError } from "../server/api-error.ts";
import { RunRows, type StoredRun } from "../store/run-rows.ts";
import type { Child } from "../supervisor/child.ts";
import { mergeFacts } from "./merge-facts.ts";
import { RunBuilder, type RunChange, type RunPlace } from "./run-builder.ts";

/** Limits of what is kept. */
const RETENTION = { runs: 500, bytes: 50_000_000, ageMs: 7 * 86_400_000 };
/** Runs that the project begins itself, kept in a second at most. */
const MAX_OWN_A_SECOND = 100;
/** Ended runs after which the oldest are deleted. */
const PRUNE_EVERY = 20;

/** A run whose facts still come, or that was read from the store. */
export interface OpenRun {
  readonly key: number;
  readonly run: RunBuilder;
  /** The process that it runs in; `undefined` when that has ended. */
  readonly child: Child | undefined;
}

interface LiveRun extends OpenRun {
  child: Child | undefined;
  /** Facts that are not in the store yet. */
  readonly fresh: Fact[];
  position: number;
  isLossy: boolean;
}

/** Called when a run changes. */
export type RunListener = (change: RunChange, run: RunBuilder) => void;

/** Receives the runs that change. */
export interface RunsEvents {
  onRun(summary: RunSummary): void;
  isDurable(flow: string): boolean;
  countPauses(place: RunPlace): number;
  /** Whether it waits at an entry that is held. */
  isHeld(place: RunPlace): boolean;
}

/** The runs: live ones in memory, all of them in the store. */
export class Runs {
  readonly rows: RunRows;
  readonly #database: DatabaseSync;
  readonly #events: RunsEvents;
  readonly #live = new Map<string, LiveRun>();
  readonly #listeners = new Map<string, Set<RunListener>>();
  #ended = 0;
  #second = 0;
  #ownInSecond = 0;

  /** @param isOwner - whether runs that have not ended can run nowhere else */
  constructor(database: DatabaseSync, events: RunsEvents, isOwner: boolean) {
    this.#database = database;
    this.rows = new RunRows(database);
    this.#events = events;
    if (!isOwner) return;
    this.#closeLost(this.rows.open().filter(({ isDurable }) => !isDurable));
    this.rows.prune(RETENTION, Date.now());
  }

  /** Begins a run that a page has asked for; without a process while its message is held. */
  begin(place: RunPlace, begun: Begun, child: Child | undefined): void {
    const live = this.#create(place, child);
    this.#take(live, { at: Date.now(), kind: "begun", begun });
    this.#write([live]);
  }

  /** Ends a run that has begun nowhere: its message was held. */
  endHeld(place: RunPlace, state: "cancelled" | "failed", error?: ErrorPayload): void {
    const live = this.#live.get(keyOf(place));
    if (live === undefined) return;
    if (error !== undefined) this.#take(live, { at: Date.now(), kind: "failed", error });
    live.run.end(state, Date.now());
    this.#notify(live, { parts: [], steps: [], isOther: true });
    this.#write([live]);
    this.#tell(live);
  }

  /** Forgets a run that was refused. */
  discard(place: RunPlace): void {
    const live = this.#live.get(keyOf(place));
    if (live === undefined) return;
    this.#live.delete(keyOf(place));
    this.rows.delete(live.key);
  }

  /** Takes facts that a process tells. */
  add(facts: readonly RunFact[], child: Child, isLossy: boolean): void {
    const touched = new Map<LiveRun, boolean>();
    if (isLossy) for (const live of this.#live.values()) if (live.child === child) live.isLossy = true;
    for (const { flow, runId, tenant, ...fact } of mergeFacts(facts)) {
      const live = this.#liveOf({ flow, runId, tenant }, fact, child);
      if (live === undefined) continue;
      const isOther = this.#take(live, fact);
      touched.set(live, (touched.get(live) ?? false) || isOther);
    }
    this.#write([...touched.keys()]);
    for (const [live, isOther] of touched) if (isOther) this.#tell(live);
  }

  /** Adds a fact of the supervisor to a run that goes on. */
  note(place: RunPlace, fact: Fact): void {
    const live = this.#live.get(keyOf(place));
    if (live === undefined) return;
    this.#take(live, fact);
    this.#write([live]);
  }

  /** Ends the runs of a process that has ended; durable ones go on in the next. */
  lose(child: Child): void {
    const lost = [...this.#live.values()].filter((live) => live.child === child);
    for (const live of lost) {
      live.child = undefined;
      if (live.run.isDurable) continue;
      live.run.end("lost", Date.now());
      this.#notify(live, { parts: [], steps: [], isOther: true });
    }
    this.#write(lost);
    for (const live of lost) this.#tell(live);
  }

  /** Whether a run is in a process, or its message waits at a held entry. */
  goesOn({ run, child }: OpenRun): boolean {
    return !run.isOver && (child !== undefined || this.#events.isHeld(run.place));
  }

  /** Number of a process's runs that have not ended. */
  countOpen(child: Child): number {
    return [...this.#live.values()].filter((live) => live.child === child && !live.run.isOver).length;
  }

  /**
   * Returns a run, live or from the store.
   *
   * @throws ApiError `RUN_UNKNOWN`
   */
  get(flow: string, runId: string): OpenRun {
    const stored = this.rows.find(flow, runId);
    if (stored === undefined) throw new ApiError("RUN_UNKNOWN", `There is no run "${runId}" of "${flow}"`);
    return this.#live.get(keyOf(stored.place)) ?? { key: stored.key, run: this.#read(stored), child: undefined };
  }

  /** Calls back with each change of a run, until the returned function is called. */
  listen(place: RunPlace, listener: RunListener): () => void {
    const key = keyOf(place);
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(key);
    };
  }

  /** Tells a run's pages that its pauses are others, or that its message is held no more. */
  waitsChanged(place: RunPlace): void {
    const live = this.#live.get(keyOf(place));
    if (live === undefined) return;
    this.#notify(live, { parts: [], steps: [], isOther: true });
    this.#write([live]);
    this.#tell(live);
  }

  summaryOf({ run }: Pick<OpenRun, "run">): RunSummary {
    const summary = run.summary(run.isOver ? 0 : this.#events.countPauses(run.place));
    return this.#events.isHeld(run.place) ? { ...summary, isHeld: true } : summary;
  }

  #liveOf(place: RunPlace, fact: Fact, child: Child): LiveRun | undefined {
    const live = this.#live.get(keyOf(place));
    if (live !== undefined) {
      live.child = child;
      return live;
    }
    const stored = this.rows.find(place.flow, place.runId);
    const isNew =
      (fact.kind === "event" && fact.event.type === "trace_start") ||
      (fact.kind === "record" && fact.record.type === "accepted" && fact.record.path.length === 0);
    if (stored !== undefined && stored.place.tenant === place.tenant) {
      if (!isNew) return this.#open(stored, child);
      // the id is used again
      this.rows.delete(stored.key);
    }
    if (!isNew && !this.#events.isDurable(place.flow)) return undefined;
    return this.#mayKeep() ? this.#create(place, child) : undefined;
  }

  #mayKeep(): boolean {
    const second = Math.floor(Date.now() / 1_000);
    if (second !== this.#second) [this.#second, this.#ownInSecond] = [second, 0];
    this.#ownInSecond += 1;
    return this.#ownInSecond <= MAX_OWN_A_SECOND;
  }

  #create(place: RunPlace, child: Child | undefined): LiveRun {
    const isDurable = this.#events.isDurable(place.flow);
    const run = new RunBuilder(place, isDurable);
    const key = this.rows.insert(place, run.summary(), isDurable);
    return this.#keep({ key, run, child, fresh: [], position: 0, isLossy: false });
  }

  #open(stored: StoredRun, child: Child): LiveRun {
    const run = this.#read(stored);
    return this.#keep({ key: stored.key, run, child, fresh: [], position: run.count, isLossy: stored.isLossy });
  }

  #keep(live: LiveRun): LiveRun {
    this.#live.set(keyOf(live.run.place), live);
    return live;
  }

  #read(stored: StoredRun): RunBuilder {
    return readStoredRun(stored, this.rows.facts(stored.key));
  }

  #take(live: LiveRun, fact: Fact): boolean {
    if (live.isLossy) live.run.lose();
    const change = live.run.add(fact);
    live.fresh.push(fact);
    this.#notify(live, change);
    return change.isOther;
  }

  #notify({ run }: LiveRun, change: RunChange): void {
    const listeners = this.#listeners.get(keyOf(run.place));
    if (listeners !== undefined) for (const listener of listeners) listener(change, run);
  }

  /** Writes what is new, and lets go of runs that are over. */
  #write(lives: readonly LiveRun[]): void {
    if (lives.length === 0) return;
    this.#database.exec("BEGIN IMMEDIATE");
    for (const live of lives) {
      const { key, run, fresh, position } = live;
      if (fresh.length > 0) this.rows.append(key, position, fresh);
      live.position += fresh.length;
      fresh.length = 0;
      this.rows.update(key, this.summaryOf(live), run.isOver, live.isLossy);
    }
    this.#database.exec("COMMIT");
    for (const { run } of lives) {
      if (!run.isOver) continue;
      this.#live.delete(keyOf(run.place));
      this.#ended += 1;
      if (this.#ended % PRUNE_EVERY === 0) this.rows.prune(RETENTION, Date.now());
    }
  }

  #tell(live: LiveRun): void {
    this.#events.onRun(this.summaryOf(live));
  }

  #closeLost(lost: readonly StoredRun[]): void {
    for (const { key, summary: known, isLossy } of lost) {
      const { isHeld: _, ...summary } = known;
      const ended: RunSummary = { ...summary, state: "lost", openPauses: 0, endedAt: summary.endedAt ?? Date.now() };
      this.rows.update(key, ended, true, isLossy);
    }
  }
}

/** Builds a run of the store from its facts. */
export function readStoredRun(
  { place, isDurable, isLossy, isOver, summary }: StoredRun,
  facts: readonly Fact[],
): RunBuilder {
  const run = new RunBuilder(place, isDurable);
  for (const fact of facts) run.add(fact);
  if (isLossy) run.lose();
  if (isOver && !run.isOver) run.end(summary.state, summary.endedAt ?? summary.startedAt);
  return run;
}

function keyOf({ flow, runId, tenant }: RunPlace): string {
  return JSON.stringify([flow, runId, tenant]);
}
