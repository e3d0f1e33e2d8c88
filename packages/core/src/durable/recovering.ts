import { describeThrown, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { lineageText } from "../foundation/lineage.ts";
import { shown } from "../foundation/options.ts";
import { formatIssues } from "../foundation/schema.ts";
import type { Checkpoint } from "../ports/checkpoint-store.ts";
import type { Trace } from "../engine/state/trace.ts";
import type { ChangedTrace, UnaskedPause } from "../engine/durability.ts";
import type { DurableHost } from "../engine/durable-host.ts";
import type { Worker } from "../engine/state/worker.ts";
import { fromPlain, toPlain } from "./codec.ts";
import type { ResolvedDurableOptions } from "./durable.ts";
import { keptError } from "./kept-error.ts";
import { readState } from "./read-state.ts";
import { type Placed, restoreFailed, restoreTrace } from "./restore.ts";
import type { SavedCall, SavedItem, SavedTrace } from "./saved-trace.ts";
import { STATE_VERSION } from "./stored-version.ts";

/** A stored message that no longer fits the flow. */
export interface ChangedMessage {
  readonly tenant: string;
  readonly traceId: string;
  readonly node: string;
  /** Names of the playbooks in which the node is, outermost first; absent outside of playbooks. */
  readonly path?: readonly string[];
  readonly payload: unknown;
  /** The mismatch. */
  readonly problem: string;
  /** Pauses that its handler no longer asks for, when they are the mismatch. */
  readonly unasked?: readonly UnaskedPause[];
}

/** The decision about a changed message: a new target, or the fate of its trace. */
export type Migration = { readonly node: string; readonly payload: unknown } | "fail" | "park";

/** The policy for traces that no longer fit the flow. */
export type OnChanged = "fail" | "park" | ((message: ChangedMessage) => Migration | Promise<Migration>);

/** Restores traces from the checkpoint store, and detects those that no longer fit the flow. */
export class Recovering {
  /** Traces that stay in the checkpoint store for a later run, by run number. */
  readonly parked = new Map<number, Checkpoint>();
  readonly #engine: DurableHost;
  readonly #onChanged: OnChanged;
  readonly #maxPayloadBytes: number;
  readonly #path: readonly string[];

  /**
   * Creates it for a flow.
   *
   * @param path - names of the playbooks around the flow, and its own, if it is a playbook
   */
  constructor(
    engine: DurableHost,
    { onChanged, maxPayloadBytes }: ResolvedDurableOptions,
    path: readonly string[] = [],
  ) {
    this.#engine = engine;
    this.#path = path;
    this.#onChanged = onChanged;
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /** Restores a trace, at the start, when it is loaded or for a retry after its failure; or returns the mismatch. */
  async restore(entry: Checkpoint, why: "start" | "load" | "retry"): Promise<Trace | ChangedTrace> {
    const isRetry = why === "retry";
    const { tenant, traceId } = entry;
    let state: SavedTrace;
    try {
      state = readState(entry);
      requireReadable(state);
    } catch (error) {
      if (!isRetry) this.parked.set(entry.run, entry);
      return { tenant, traceId, node: "", problem: describeThrown(error), action: "parked" };
    }
    const again = isRetry ? triedAgain(state, this.#engine.clock.epochNow()) : state;
    const placed = await this.placed(entry, again);
    if ("action" in placed) {
      if (placed.action === "parked" && !isRetry) this.parked.set(entry.run, entry);
      return placed;
    }
    // the function that decides on a message may outlast the flow
    if (this.#engine.isEnding) return { tenant, traceId, node: "", problem: "the flow was stopped", action: "parked" };
    return restoreTrace(this.#engine, entry, again, placed, why === "load");
  }

  /** Returns the messages of a trace with their nodes, or the first mismatch. */
  async placed(entry: Pick<Checkpoint, "tenant" | "traceId">, state: SavedTrace): Promise<Placed[] | ChangedTrace> {
    const placed: Placed[] = [];
    for (const item of state.items) {
      const place = await this.#place(entry, item);
      if ("action" in place) return place;
      placed.push(place);
    }
    return placed;
  }

  /** Returns the unread results and error of a failed trace; `undefined` when its entry cannot be read. */
  left(entry: Checkpoint): { readonly trace: Trace; readonly state: SavedTrace } | undefined {
    try {
      const state = readState(entry);
      requireReadable(state);
      return { trace: restoreFailed(this.#engine, entry, state), state };
    } catch {
      // `unfinished` and `retryFailed` report the mismatch
      return undefined;
    }
  }

  /** Removes and returns the parked entries of one id. */
  takeParked(traceId: string, tenant: string): Checkpoint[] {
    const taken = [...this.parked.values()].filter((entry) => entry.traceId === traceId && entry.tenant === tenant);
    for (const { run } of taken) this.parked.delete(run);
    return taken;
  }

  /** Returns the entry of a trace that could not be restored and counts as failed. */
  failed(entry: Checkpoint, problem: string): Checkpoint {
    const { tenant, traceId } = entry;
    const error = new FlowError({ code: FlowErrorCode.GRAPH_CHANGED, message: problem, tenant, traceId });
    const before = readState(entry);
    const isErrorUnread = this.#engine.options.emitErrorsToRookery && before.isOpenEnded === true;
    const kept = keptError(error, this.#maxPayloadBytes);
    const state: SavedTrace = { ...before, error: kept, ...(isErrorUnread ? { isErrorUnread } : {}) };
    return { ...entry, status: "failed", version: STATE_VERSION, state: JSON.stringify(state) };
  }

  async #place(entry: Pick<Checkpoint, "tenant" | "traceId">, item: SavedItem): Promise<Placed | ChangedTrace> {
    const problem = await this.#problem(item);
    return problem === undefined
      ? { item, worker: this.#workerOf(item) as Worker }
      : await this.settled(entry, item, problem);
  }

  /** Resolves the fate of a message that does not fit: its new target, or the action on its trace. */
  async settled(
    { tenant, traceId }: Pick<Checkpoint, "tenant" | "traceId">,
    item: SavedItem,
    problem: string,
    unasked?: readonly UnaskedPause[],
  ): Promise<Placed | ChangedTrace> {
    const changed = { tenant, traceId, node: item.node, problem };
    const payload = fromPlain(item.payload);
    const how = await this.#decided({
      ...changed,
      ...(this.#path.length === 0 ? {} : { path: this.#path }),
      payload,
      ...(unasked === undefined ? {} : { unasked }),
    });
    if (how === "fail") return { ...changed, action: "failed" };
    if (how === "park") return { ...changed, action: "parked" };
    if (how instanceof Error) return { ...changed, problem: `${problem}; ${how.message}`, action: "parked" };
    // the new node has not sent anything yet
    const { sent: _, sentTo: __, ...kept } = item;
    const moved: SavedItem = {
      ...(how.node === item.node ? item : kept),
      node: how.node,
      where: "line",
      payload: how.payload,
    };
    const left = await this.#problem(moved);
    if (left === undefined) return { item: moved, worker: this.#workerOf(moved) as Worker };
    return { ...changed, problem: `${problem}; migrated: ${left}`, action: "parked" };
  }

  /** Returns the decision on a message that does not fit; an error when the deciding function fails. */
  async #decided(message: ChangedMessage): Promise<Migration | Error> {
    if (typeof this.#onChanged !== "function") return this.#onChanged;
    try {
      const how: unknown = await this.#onChanged(message);
      if (how === "fail" || how === "park") return how;
      if (typeof how !== "object" || how === null || typeof (how as { node?: unknown }).node !== "string")
        throw new TypeError(`it must return "fail", "park" or { node, payload }: got ${shown(how)}`);
      const { node, payload } = how as { readonly node: string; readonly payload: unknown };
      return { node, payload: toPlain(payload) };
    } catch (error) {
      return new Error(`onChanged failed: ${describeThrown(error)}`);
    }
  }

  #workerOf({ node }: SavedItem): Worker | undefined {
    return this.#engine.workshop.byName.get(node);
  }

  /** Returns the reason why a message does not fit the flow, if any. */
  async #problem(item: SavedItem): Promise<string | undefined> {
    const worker = this.#workerOf(item);
    if (worker === undefined)
      return `node "${item.node}" no longer exists; the flow has ${[...this.#engine.workshop.byName.keys()].map((name) => `"${name}"`).join(", ")}`;
    // a join's messages are checked once its group is complete
    if (worker.inputSchema === undefined || worker.node.gathering !== undefined) return undefined;
    const answer = worker.inputSchema["~standard"].validate(fromPlain(item.payload));
    const result = answer instanceof Promise ? await answer : answer;
    return result.issues === undefined
      ? undefined
      : `the payload does not fit the input of node "${item.node}": ${formatIssues(result.issues)}`;
  }
}

/** Throws unless the whole stored state of a trace is readable, so that nothing is restored in part. */
function requireReadable({ items, results = [], effects = [], pauses = [], calls = [] }: SavedTrace): void {
  for (const { trace, result } of calls) {
    if (trace !== undefined) requireReadable(trace);
    fromPlain(result ?? null);
  }
  for (const item of [...items, ...items.flatMap(({ taken = [] }) => taken), ...results]) {
    fromPlain(item.payload ?? null);
    if (item.meta !== undefined) fromPlain(item.meta);
  }
  for (const [, { value }] of effects) fromPlain(value ?? null);
  for (const { payload, answer } of pauses) {
    fromPlain(payload ?? null);
    fromPlain(answer?.value ?? null);
  }
}

/** Prepares a failed trace for a retry: handlers are called anew, and may repeat effects that failed. */
function triedAgain(
  { error: _, isErrorUnread: __, outcome: ___, ...state }: SavedTrace,
  now: number,
  asked: SavedTrace["pauses"] = state.pauses,
): SavedTrace {
  // a handler that continues without an answer, or has slept, must not begin to wait anew
  const pauses = asked?.filter(
    ({ answer, goesOn, expiresAt }) => answer !== undefined || goesOn === true || (expiresAt ?? Infinity) > now,
  );
  const isAsked = (item: SavedItem): boolean => {
    const lineage = lineageText(...item.lineage);
    const isOf = (key: string): boolean => key.startsWith(`${lineage}/`) || key.includes(`/${lineage}@`);
    return pauses?.some(({ key, answer }) => answer === undefined && isOf(key)) === true;
  };
  const { deadlineAt, given, ...rest } = state;
  return {
    ...rest,
    ...(given === undefined ? {} : { given: { digest: given.digest, keepMs: given.keepMs } }),
    ...(deadlineAt === undefined || deadlineAt <= now ? {} : { deadlineAt }),
    items: state.items.map(({ dueAt, ...item }) => ({
      ...item,
      ...(dueAt === undefined || dueAt <= now ? {} : { dueAt }),
      attempt: 1,
      where: item.where === "pause" && !isAsked(item) ? "handler" : item.where,
    })),
    ...(state.pauses === undefined || pauses === undefined ? {} : { pauses }),
    ...(state.calls === undefined ? {} : { calls: state.calls.flatMap((call) => calledAgain(call, now, pauses)) }),
    ...(state.effects === undefined ? {} : { effects: state.effects.filter(([, { status }]) => status !== "failed") }),
  };
}

/** Prepares a call for a retry of its trace. A call that has failed is made anew. */
function calledAgain(call: SavedCall, now: number, pauses: SavedTrace["pauses"]): SavedCall | [] {
  if (call.error !== undefined) return [];
  return call.trace === undefined ? call : { ...call, trace: triedAgain(call.trace, now, pauses) };
}
