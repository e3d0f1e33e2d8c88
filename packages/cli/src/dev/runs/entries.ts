import type { EntryView } from "@penguiflow/playground/protocol";
import { ApiError } from "../server/api-error.ts";

/** Messages that wait before one flow at most. */
const MAX_WAITING = 10_000;

/** A message before a flow: nothing of it has begun. */
interface Waiting {
  /** Its run; `undefined` if it has none yet. */
  readonly runId: string | undefined;
  readonly go: () => void;
}

/**
 * The entries of the flows, for the messages of pages and of AG-UI: open, or held. A held message waits in this process,
 * so that it outlasts a reload of the code.
 */
export class Entries {
  readonly #held = new Map<string, Waiting[]>();
  readonly #onChange: (flow: string) => void;

  /** @param onChange - called when an entry or the number of its messages is another */
  constructor(onChange: (flow: string) => void) {
    this.#onChange = onChange;
  }

  view(flow: string): EntryView {
    const waiting = this.#held.get(flow);
    return { isHeld: waiting !== undefined, waiting: waiting?.length ?? 0 };
  }

  isHeld(flow: string): boolean {
    return this.#held.has(flow);
  }

  /** Whether the message of a run waits. */
  has(flow: string, runId: string): boolean {
    return this.#held.get(flow)?.some((one) => one.runId === runId) ?? false;
  }

  hold(flow: string): void {
    if (this.#held.has(flow)) return;
    this.#held.set(flow, []);
    this.#onChange(flow);
  }

  /** Opens an entry: all that wait go on, in their order. */
  open(flow: string): void {
    const waiting = this.#held.get(flow);
    if (waiting === undefined) return;
    this.#held.delete(flow);
    this.#onChange(flow);
    for (const { go } of waiting) go();
  }

  /**
   * Lets go the message of a run, or the oldest one. The entry stays held.
   *
   * @throws ApiError `RUN_ENDED` if none waits
   */
  letGo(flow: string, runId?: string): void {
    const waiting = this.#held.get(flow) ?? [];
    const found = runId === undefined ? waiting[0] : waiting.find((one) => one.runId === runId);
    if (found === undefined) throw new ApiError("RUN_ENDED", `No message waits at the entry of "${flow}"`);
    this.#take(flow, found);
    found.go();
  }

  /**
   * Adds a message to a held entry.
   *
   * @throws ApiError `FLOW_NOT_RUNNING` if too many wait
   */
  add(flow: string, runId: string, go: () => void): void {
    this.#add(flow, { runId, go });
  }

  /** Removes the message of a run that will not go on. @returns whether it waited */
  drop(flow: string, runId: string): boolean {
    const found = this.#held.get(flow)?.find((one) => one.runId === runId);
    if (found !== undefined) this.#take(flow, found);
    return found !== undefined;
  }

  /** Resolves when a message without a run may go on: at once where the entry is open. */
  async pass(flow: string, gone: AbortSignal): Promise<void> {
    if (!this.isHeld(flow)) return;
    const passed = Promise.withResolvers<void>();
    const waiting: Waiting = { runId: undefined, go: passed.resolve };
    this.#add(flow, waiting);
    const leave = (): void => {
      this.#take(flow, waiting);
      passed.resolve();
    };
    gone.addEventListener("abort", leave, { once: true });
    await passed.promise;
    gone.removeEventListener("abort", leave);
  }

  #add(flow: string, one: Waiting): void {
    const waiting = this.#held.get(flow) ?? [];
    if (waiting.length >= MAX_WAITING)
      throw new ApiError("FLOW_NOT_RUNNING", `${MAX_WAITING} messages wait at the entry of "${flow}": let them go`);
    waiting.push(one);
    this.#onChange(flow);
  }

  #take(flow: string, one: Waiting): void {
    const waiting = this.#held.get(flow);
    const at = waiting?.indexOf(one) ?? -1;
    if (at === -1) return;
    waiting?.splice(at, 1);
    this.#onChange(flow);
  }
}
