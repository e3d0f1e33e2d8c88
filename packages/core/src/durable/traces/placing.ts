import { describeThrown } from "../../foundation/flow-error.ts";
import { shown } from "../../foundation/options.ts";
import { formatIssues } from "../../foundation/schema.ts";
import type { TraceKey } from "../../ports/state-store.ts";
import type { ChangedTrace, UnaskedPause } from "../../engine/durability.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import type { Worker } from "../../engine/state/worker.ts";
import { fromPlain, toPlain } from "../form/codec.ts";
import type { ChangedMessage, Migration, OnChanged } from "../durable-options.ts";
import type { Placed } from "./restore.ts";
import type { SavedItem, SavedTrace } from "../form/saved-trace.ts";

/** Finds the nodes of stored messages, and has `onChanged` decide on those that no longer fit the flow. */
export class Placing {
  readonly #engine: DurableHost;
  readonly #onChanged: OnChanged;
  readonly #path: readonly string[];

  /**
   * Creates it for a flow.
   *
   * @param path - names of the playbooks around the flow, and its own, if it is a playbook
   */
  constructor(engine: DurableHost, { onChanged }: { readonly onChanged: OnChanged }, path: readonly string[] = []) {
    this.#engine = engine;
    this.#onChanged = onChanged;
    this.#path = path;
  }

  /** Returns the messages of a trace with their nodes, or the first mismatch. */
  async placed(entry: TraceKey, state: SavedTrace): Promise<Placed[] | ChangedTrace> {
    const placed: Placed[] = [];
    for (const item of state.items) {
      const place = await this.#place(entry, item);
      if ("action" in place) return place;
      placed.push(place);
    }
    return placed;
  }

  async #place(entry: TraceKey, item: SavedItem): Promise<Placed | ChangedTrace> {
    const problem = await this.#problem(item);
    return problem === undefined
      ? { item, worker: this.#workerOf(item) as Worker }
      : await this.settled(entry, item, problem);
  }

  /** Resolves the fate of a message that does not fit: its new target, or the action on its trace. */
  async settled(
    { tenant, traceId }: TraceKey,
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
