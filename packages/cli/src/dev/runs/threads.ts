import { randomUUID } from "node:crypto";
import type { Page, RunSummary, ThreadSummary, ThreadView, TurnView } from "@penguiflow/playground/protocol";
import { ApiError } from "../server/api-error.ts";
import type { StoredThread, StoredTurn, ThreadRows } from "../store/thread-rows.ts";
import type { OpenRun, Runs } from "./runs.ts";

/** The conversations with flows and planners. */
export class Threads {
  readonly rows: ThreadRows;
  readonly #runs: Runs;

  constructor(rows: ThreadRows, runs: Runs) {
    this.rows = rows;
    this.#runs = runs;
  }

  /** Makes a thread; a fork has the turns before one of another. */
  create(flow: string, forkOf?: { readonly id: string; readonly turn: number }): ThreadSummary {
    const id = randomUUID().slice(0, 8);
    const turns =
      forkOf === undefined ? [] : this.rows.turns(this.get(forkOf.id).id).filter(({ turn }) => turn < forkOf.turn);
    this.rows.insert(id, flow, "");
    for (const turn of turns) this.rows.addTurn(id, turn);
    if (forkOf !== undefined) this.rows.setMemory(id, memoryUpTo(this.rows.memory(forkOf.id), turns));
    return this.summary(this.get(id));
  }

  /** @throws ApiError `THREAD_UNKNOWN` */
  get(id: string): StoredThread {
    const found = this.rows.find(id);
    if (found === undefined) throw new ApiError("THREAD_UNKNOWN", `There is no thread "${id}"`);
    return found;
  }

  list(filter: Parameters<ThreadRows["list"]>[0]): Page<ThreadSummary> {
    const { threads, next } = this.rows.list(filter);
    return { items: threads.map((thread) => this.summary(thread)), ...(next !== undefined && { next }) };
  }

  view(id: string): ThreadView {
    const thread = this.get(id);
    return {
      ...this.summary(thread),
      turns: this.rows.turns(id).flatMap((turn) => this.turnView(thread.flow, turn) ?? []),
    };
  }

  /** Returns a turn with its run; nothing when the run was deleted. */
  turnView(flow: string, { turn, run, at, text, attachments }: StoredTurn): TurnView | undefined {
    const open = this.#runOf(flow, run);
    if (open === undefined) return undefined;
    return {
      turn,
      at,
      text,
      run: this.#runs.summaryOf(open),
      parts: open.run.parts,
      ...(attachments.length > 0 && { attachments }),
    };
  }

  /**
   * Deletes a thread with the runs that no other thread has.
   *
   * @throws ApiError `RUN_OPEN` while a run of it goes on
   */
  delete(id: string): void {
    const { flow } = this.get(id);
    const runs = this.rows.turns(id).flatMap(({ run }) => this.#runOf(flow, run) ?? []);
    if (runs.some((open) => this.#runs.goesOn(open)))
      throw new ApiError("RUN_OPEN", "A run of the thread goes on: cancel it first");
    this.rows.delete(id);
    for (const { key, run } of runs) if (run.begun?.thread === id && run.isOver) this.#runs.rows.delete(key);
  }

  /** The latest turn with its run. */
  last(thread: StoredThread): { readonly turn: StoredTurn; readonly summary: RunSummary } | undefined {
    const turn = this.rows.turns(thread.id).at(-1);
    const open = turn && this.#runOf(thread.flow, turn.run);
    return turn && open && { turn, summary: this.#runs.summaryOf(open) };
  }

  summary(thread: StoredThread): ThreadSummary {
    const { id, flow, title, at, turnCount } = thread;
    const last = this.last(thread);
    const { tokens } = last?.summary ?? {};
    return {
      id,
      flow,
      title,
      turnCount,
      at,
      state: last?.summary.state ?? "new",
      ...(tokens !== undefined && { tokens: tokens.in + tokens.out }),
    };
  }

  #runOf(flow: string, run: string): OpenRun | undefined {
    try {
      return this.#runs.get(flow, run);
    } catch (error) {
      if (error instanceof ApiError) return undefined;
      throw error;
    }
  }
}

/** Returns what is remembered of the turns that a fork has. A summary may be of later ones, and is left out. */
function memoryUpTo(items: readonly unknown[], turns: readonly StoredTurn[]): readonly unknown[] {
  const runs = new Set(turns.map(({ run }) => run));
  return items.filter((item) => runs.has((item as { readonly runId?: string }).runId ?? ""));
}
