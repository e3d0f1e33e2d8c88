import { errorPayload } from "penguiflow";
import type { StoredResult } from "penguiflow/adapter";
import { keyOf, type ResultBody } from "../form/command.ts";
import { sleep } from "../form/machine.ts";
import { toBytes } from "../form/text.ts";
import type { TracePause } from "./pause-claims.ts";
import type { WorkerSettings } from "./settings.ts";

/** Parts of an owner that {@link OpenPauses} calls. */
export interface OpenPausesHost {
  readonly settings: WorkerSettings;
  readonly partition: string;
  /** Stores results in the order of the calls. */
  putResult(result: StoredResult): Promise<number | "superseded">;
  /** Returns the digest of the input of a trace; an empty one where it is not known. */
  digestOf(tenant: string, id: string): string;
  /** Tells the callers of a trace of a pause. */
  tellPause(tenant: string, id: string, text: string): void;
  /** Tells the sender of an answer to a pause, which is open, that it did not fit. */
  settle(pause: TracePause, isOpen: () => boolean): Promise<void>;
}

/** Milliseconds for which open pauses are kept: a year. The outcome of their trace replaces them. */
const PAUSE_KEEP_MS = 31_536_000_000;
/** Milliseconds after which the store of a pause is tried again. They double with each failure, up to the longest. */
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 10_000;

/** The open pauses of the traces of a partition that is held. They stand among the results, where callers find them. */
export class OpenPauses {
  readonly #host: OpenPausesHost;
  /** Texts of the open pauses of each trace, by the token that the flow has made. */
  readonly #open = new Map<string, Map<string, string>>();
  /** Aborts when the partition is no longer held. */
  #held = new AbortController();

  constructor(host: OpenPausesHost) {
    this.#host = host;
  }

  /** Begins anew, with a partition that is about to be acquired. */
  begin(): void {
    this.#open.clear();
    this.#held = new AbortController();
  }

  /** Gives up what is tried again, with the partition. */
  end(): void {
    this.#held.abort();
  }

  /** Stores an open pause and tells its callers, again and again until that succeeds or the pause is answered. */
  async tell(tenant: string, id: string, token: string, makeText: () => string): Promise<void> {
    const { settings, partition } = this.#host;
    const held = this.#held.signal;
    for (let waitMs = FIRST_RETRY_MS; !held.aborted; waitMs = Math.min(2 * waitMs, LONGEST_RETRY_MS)) {
      // it was answered meanwhile
      if (waitMs > FIRST_RETRY_MS && !this.has(tenant, id, token)) return;
      try {
        const text = makeText();
        await this.#keep(tenant, id, token, text);
        await this.#host.settle({ tenant, id, token }, () => this.has(tenant, id, token));
        this.#host.tellPause(tenant, id, text);
        return;
      } catch (error) {
        settings.logger.warn("pause_not_told", { partition, traceId: id, tenant, error: errorPayload(error) });
        await sleep(settings.machine.clock, waitMs, held);
      }
    }
  }

  /** Whether a pause waits for an answer. */
  has(tenant: string, id: string, token: string): boolean {
    return this.#open.get(keyOf({ tenant, id }))?.has(token) === true;
  }

  /** Stores a pause among the open ones of its trace. */
  async #keep(tenant: string, id: string, token: string, text: string): Promise<void> {
    const key = keyOf({ tenant, id });
    const pauses = this.#open.get(key) ?? new Map<string, string>();
    this.#open.set(key, pauses.set(token, text));
    await this.#put(tenant, id, pauses);
  }

  /** Removes a pause that is answered. */
  async drop(tenant: string, id: string, token: string): Promise<void> {
    const pauses = this.#open.get(keyOf({ tenant, id }));
    if (pauses?.delete(token) === true) await this.#put(tenant, id, pauses);
  }

  /** Forgets the pauses of a trace that has ended. */
  forget(tenant: string, id: string): void {
    this.#open.delete(keyOf({ tenant, id }));
  }

  async #put(tenant: string, id: string, pauses: ReadonlyMap<string, string>): Promise<void> {
    const digest = this.#host.digestOf(tenant, id);
    const body: ResultBody = { kind: "pause", digest, pauses: [...pauses.values()] };
    const key = { partition: this.#host.partition, tenant, id };
    await this.#host.putResult({ key, isFinal: false, body: toBytes(body), keepMs: PAUSE_KEEP_MS });
  }
}
