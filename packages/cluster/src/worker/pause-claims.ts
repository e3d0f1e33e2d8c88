import { FlowError, FlowErrorCode } from "penguiflow";
import type { ResultKey, ResultStore, StoredResult } from "penguiflow/adapter";
import { writeError } from "penguiflow/durable";
import { type Answer, type CommandRecord, inboxOf, type Told, unfitIdOf } from "../form/command.ts";
import { finalOf, type Kept } from "../form/kept.ts";
import { toBytes } from "../form/text.ts";
import type { WorkerSettings } from "./settings.ts";

/** Parts of an owner that {@link PauseClaims} calls. */
export interface PauseClaimsHost {
  readonly settings: WorkerSettings;
  readonly partition: string;
  putResult(result: StoredResult): Promise<number | "superseded">;
  tell(inbox: string, told: Told): void;
  /** Resolves once a renewal of the lease has shown that the partition is held. */
  confirm(): Promise<void>;
}

/** A pause of a trace, by the token that its flow has made. */
export interface TracePause {
  readonly tenant: string;
  readonly id: string;
  readonly token: string;
}

/** Body of a claim. */
interface Claim {
  /** That of the command that answers the pause. */
  readonly nonce: string;
}

/** Milliseconds for which the answers to commands, and their claims, are kept. */
export const ANSWER_MS = 3_600_000;

/**
 * Claims of pauses by the commands that answer them, while a run holds the partition. They stand among the results, under
 * the token of the pause.
 *
 * States of a pause: open → claimed → answered → over, or unfit → open. The handler decides whether an answer fits; a later
 * owner may call it than the one that has accepted the answer. So the claim goes only after the refusal is stored, where
 * its sender finds it.
 */
export class PauseClaims {
  readonly #host: PauseClaimsHost;
  /** Errors of answers that did not fit, by the token of the pause, until they are stored. */
  readonly #unfit = new Map<string, { readonly nonce: string; readonly error: unknown }>();

  constructor(host: PauseClaimsHost) {
    this.#host = host;
  }

  /** Returns the claim of a pause. */
  async of({ tenant, token }: TracePause): Promise<Kept<Claim> | undefined> {
    return await finalOf<Claim>(this.#results, this.#keyOf(tenant, token));
  }

  /** Claims a pause. Returns the claim's revision; `undefined` where another owner's claim is. */
  async claim({ tenant, token }: TracePause, nonce: string): Promise<number | undefined> {
    const body = toBytes({ nonce } satisfies Claim);
    const key = this.#keyOf(tenant, token);
    const put = await this.#host.putResult({ key, isFinal: true, body, keepMs: ANSWER_MS });
    return put === "superseded" ? undefined : put;
  }

  /** Removes a claim. */
  async drop({ tenant, token }: TracePause, revision: number): Promise<void> {
    await this.#results.forget([{ key: this.#keyOf(tenant, token), revision }]);
  }

  /** Notes that the answer of a command did not fit. It is stored once the pause is known to be open again. */
  refused(token: string, nonce: string, error: unknown): void {
    this.#unfit.set(token, { nonce, error });
  }

  /**
   * Looks whether an open pause was answered before: then the answer did not fit. Stores and tells that to its sender, and
   * removes the claim.
   *
   * @param isOpen - whether the pause waits for an answer, and that is stored
   */
  async settle(pause: TracePause, isOpen: () => boolean | Promise<boolean>): Promise<void> {
    const claim = await this.of(pause);
    if (claim === undefined) return;
    const noted = this.#unfit.get(pause.token);
    const isNoted = noted?.nonce === claim.nonce;
    // the handler has refused it under an earlier owner, or under this one before its command was carried out again.
    // Without a record the command is still to be carried out
    const key = this.#keyOf(pause.tenant, claim.nonce);
    if (!isNoted && (await finalOf<CommandRecord>(this.#results, key))?.kind !== "done") return;
    await this.#host.confirm();
    // told before that is stored, the refusal would be followed by an answer that finds the pause used after a takeover
    if (!(await isOpen())) return;
    await this.#refuse(pause, claim.nonce, isNoted ? noted.error : unfit(pause));
    await this.drop(pause, claim.revision);
    if (isNoted) this.#unfit.delete(pause.token);
  }

  async #refuse({ tenant, id }: TracePause, nonce: string, error: unknown): Promise<void> {
    const answer: Answer = { kind: "undone", error: writeError(error) };
    const key = this.#keyOf(tenant, unfitIdOf(nonce));
    const put = await this.#host.putResult({ key, isFinal: true, body: toBytes(answer), keepMs: ANSWER_MS });
    const inbox = inboxOf(nonce);
    if (inbox === undefined || put === "superseded") return;
    this.#host.tell(inbox, { ...answer, tenant, id, nonce, stored: { key, revision: put } });
  }

  #keyOf(tenant: string, id: string): ResultKey {
    return { partition: this.#host.partition, tenant, id };
  }

  get #results(): ResultStore {
    return this.#host.settings.backend.results;
  }
}

/** Returns the error of an answer that did not fit, where only that is known. */
function unfit({ tenant, id }: TracePause): FlowError {
  return new FlowError({
    code: FlowErrorCode.RESUME_INVALID,
    message: `The answer to a pause of trace "${id}" does not fit; the pause is open again`,
    traceId: id,
    tenant,
  });
}
