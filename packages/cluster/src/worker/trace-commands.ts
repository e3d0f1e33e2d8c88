import { FlowError, FlowErrorCode, type FlowRun } from "penguiflow";
import type { Offered, ResultKey, ResultRevision, StoredResult } from "penguiflow/adapter";
import { readValue, writeError } from "penguiflow/durable";
import { type Answer, type CommandRecord, keyOf, type Told, type TraceCommand, unfitIdOf } from "../form/command.ts";
import { finalOf, readKept } from "../form/kept.ts";
import { toBytes } from "../form/text.ts";
import { ANSWER_MS, type PauseClaims, type TracePause } from "./pause-claims.ts";
import type { WorkerSettings } from "./settings.ts";

/** Parts of an owner that {@link TraceCommands} calls. */
export interface TraceCommandsHost {
  readonly settings: WorkerSettings;
  readonly partition: string;
  putResult(result: StoredResult): Promise<number | "superseded">;
  /** Stores that a trace was cancelled before its message was read, unless it has a final result. */
  putCancelled(tenant: string, id: string, reason: string | undefined): Promise<void>;
  /** Resolves once a trace that was cancelled has its final result. */
  whenResult(run: FlowRun<unknown, unknown>, tenant: string, id: string): Promise<void>;
  /** Whether a trace is under way or has left a result. */
  has(run: FlowRun<unknown, unknown>, tenant: string, id: string): Promise<boolean>;
  readonly claims: PauseClaims;
  /** Removes a pause that is answered. */
  answered(tenant: string, id: string, token: string): Promise<void>;
  /** Called when a trace is given up. */
  discarded(tenant: string, id: string): Promise<void>;
  /** Returns the other version that the trace of a command belongs to. */
  elsewhere(command: TraceCommand): Promise<string | undefined>;
  /** Gives a command to another version. */
  move(item: Offered, command: TraceCommand, version: string): Promise<void>;
  /** Called when a failed trace is in flight again. */
  retried(): void;
  tell(inbox: string, told: Told): void;
  /** Whether an error means that the partition is lost, and not that a command is refused. */
  isLost(error: unknown): boolean;
}

/** An answer, and where it is stored. */
interface Answered {
  readonly answer: Answer;
  readonly stored: ResultRevision | undefined;
}

/**
 * Carries out the commands for the traces of a partition that a run holds: those of one trace in their order. Once one
 * finds that the partition is lost, those behind it are left for the next owner. The answer to a command is
 * stored before the command is consumed: a later owner that finds it does not carry the command out again, and its sender
 * finds it where the wire has lost it. So is the version that a command was given to.
 */
export class TraceCommands {
  readonly #host: TraceCommandsHost;
  /** The last command of each trace. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(host: TraceCommandsHost) {
    this.#host = host;
  }

  /** Settles when the commands of a trace that were read so far are carried out; absent when they are. */
  pending(trace: string): Promise<unknown> | undefined {
    return this.#last.get(trace);
  }

  /**
   * Carries a command out, and consumes it once its answer is stored.
   *
   * @param accepted - settles when the calls of its trace that were read before it are accepted
   */
  async obey(
    run: FlowRun<unknown, unknown>,
    item: Offered,
    command: TraceCommand,
    accepted: Promise<unknown> | undefined,
  ): Promise<void> {
    const { tenant, id, inbox, nonce } = command;
    const trace = keyOf(command);
    const answering = Promise.all([this.#last.get(trace), accepted]).then(() => this.#answered(run, item, command));
    this.#last.set(trace, answering);
    const answered = await answering;
    if (this.#last.get(trace) === answering) this.#last.delete(trace);
    await run.intake.consume({ lane: item.lane, sequence: item.sequence });
    if (answered !== undefined)
      this.#host.tell(inbox, { ...answered.answer, tenant, id, nonce, stored: answered.stored });
  }

  /**
   * Returns the stored answer to a command, which is carried out unless that was done before; `undefined` when another
   * version answers it.
   */
  async #answered(run: FlowRun<unknown, unknown>, item: Offered, command: TraceCommand): Promise<Answered | undefined> {
    const { partition, claims, settings } = this.#host;
    const { tenant, nonce } = command;
    const key = { partition, tenant, id: nonce };
    // an answer that did not fit may be refused before it is known to be accepted
    const ids = command.kind === "resume" ? [nonce, unfitIdOf(nonce)] : [nonce];
    const keys = ids.map((id) => ({ ...key, id }));
    const earlier = (await settings.backend.results.get(keys, "latest")).find((one) => one !== undefined);
    if (earlier !== undefined) return answeredBy(readKept<CommandRecord>(earlier), earlier.key);
    const record = await this.#carriedOut(run, item, command);
    const put = await this.#host.putResult({ key, isFinal: true, body: toBytes(record), keepMs: ANSWER_MS });
    // its answer may not have fitted before it was stored
    if (command.kind === "resume" && record.kind === "done") await claims.settle(command, () => isOpen(run, command));
    if (put !== "superseded") return answeredBy({ ...record, revision: put }, key);
    const other = await finalOf<CommandRecord>(settings.backend.results, key);
    return answeredBy(other ?? record, key);
  }

  async #carriedOut(run: FlowRun<unknown, unknown>, item: Offered, command: TraceCommand): Promise<CommandRecord> {
    const version = await this.#host.elsewhere(command);
    if (version !== undefined) {
      await this.#host.move(item, command, version);
      return { kind: "moved", version };
    }
    try {
      await this.#perform(run, item, command);
      return { kind: "done" };
    } catch (error) {
      if (!(error instanceof FlowError) || this.#host.isLost(error)) throw error;
      // this owner's knowledge of the trace may be old
      await run.intake.confirm();
      return { kind: "undone", error: writeError(error) };
    }
  }

  async #perform(run: FlowRun<unknown, unknown>, { sequence }: Offered, command: TraceCommand): Promise<void> {
    const host = this.#host;
    const { results } = host.settings.backend;
    const { tenant, id } = command;
    const key = { partition: host.partition, tenant, id };
    switch (command.kind) {
      case "cancel": {
        const { found } = await run.cancel(id, { tenant, reason: command.reason });
        // a cancel that has overtaken its message: the result keeps the message from being run
        if (found) {
          await host.whenResult(run, tenant, id);
          return;
        }
        await run.intake.confirm();
        await host.putCancelled(tenant, id, command.reason);
        return;
      }
      case "resume":
        await this.#answer(run, command);
        return;
      case "signal":
        // carried out again after a crash, it is known by its place
        await run.signal(id, command.name, readValue(command.value), { tenant, sequence });
        return;
      case "retryFailed":
        await run.recovery.retryFailed(id, { tenant });
        host.retried();
        return;
      case "find":
        if (!(await host.has(run, tenant, id))) throw unknownTrace(tenant, id);
        return;
      case "discard": {
        const [result] = await results.get([key], "latest");
        await run.recovery.discard(id, { tenant });
        if (result !== undefined) await results.forget([{ key, revision: result.revision }]);
        await host.discarded(tenant, id);
      }
    }
  }

  /**
   * Answers a pause. The first command that answers it claims it: when it is carried out again after a crash, the answer
   * that is stored is its own.
   */
  async #answer(run: FlowRun<unknown, unknown>, command: TraceCommand & { readonly kind: "resume" }): Promise<void> {
    const { claims } = this.#host;
    const { tenant, id, token, nonce } = command;
    let claim = await claims.of(command);
    if (claim !== undefined && claim.nonce !== nonce) {
      await claims.settle(command, () => isOpen(run, command));
      claim = await claims.of(command);
      if (claim !== undefined) {
        await run.intake.confirm();
        // without a claim of its own it could be accepted, if the handler refuses the other answer in this moment
        throw usedPause(command);
      }
    }
    const own = claim?.revision ?? (await claims.claim(command, nonce));
    try {
      const { outcome } = await run.pauses.answer(token, readValue(command.value), { tenant });
      await this.#host.answered(tenant, id, token);
      outcome.catch((error: unknown) => {
        const isUnfit = error instanceof FlowError && error.code === FlowErrorCode.RESUME_INVALID;
        if (isUnfit) claims.refused(token, nonce, error);
      });
    } catch (error) {
      if (!(error instanceof FlowError) || this.#host.isLost(error)) throw error;
      await run.intake.confirm();
      if (claim?.nonce === nonce && error.code === FlowErrorCode.PAUSE_USED) return;
      if (own !== undefined) await claims.drop(command, own);
      throw error;
    }
  }
}

/** Whether a pause waits for an answer, and that is stored. */
async function isOpen(run: FlowRun<unknown, unknown>, { tenant, id, token }: TracePause): Promise<boolean> {
  const open = await run.pauses.list({ tenant, traceId: id });
  return open.some((pause) => pause.token === token);
}

/** Returns the answer that a record has, if it is one. */
function answeredBy(record: CommandRecord & { readonly revision?: number }, key: ResultKey): Answered | undefined {
  const { revision, ...answer } = record;
  if (answer.kind === "moved") return undefined;
  return { answer, stored: revision === undefined ? undefined : { key, revision } };
}

function usedPause({ tenant, id }: TracePause): FlowError {
  return new FlowError({
    code: FlowErrorCode.PAUSE_USED,
    message: "Cannot resume: the pause was answered already",
    traceId: id,
    tenant,
  });
}

function unknownTrace(tenant: string, traceId: string): FlowError {
  return new FlowError({
    code: FlowErrorCode.TRACE_UNKNOWN,
    message: `No trace "${traceId}" of tenant "${tenant}" is under way, and no outcome of it is kept`,
    traceId,
    tenant,
  });
}
