import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { requireOptions, requireText } from "../foundation/options.ts";
import type { Message } from "../message/message.ts";
import type { TraceKey } from "../ports/state-store.ts";
import { sealed } from "../engine/delivery/sealed.ts";
import type { DurableRun, Position } from "../engine/durability.ts";
import type { Engine } from "../engine/engine.ts";
import type { AcceptOptions, EmitOptions } from "./call-options.ts";
import { openTrace } from "./open-trace.ts";
import { prepare, type Prepared } from "./prepare.ts";
import { requirePosition } from "./run-checks.ts";
import { holdsTrace, type Running } from "./running.ts";

/**
 * Receipt of the items of an intake, such as a lane of a cluster's partition: begins their traces and records their
 * positions with them, so that a later run reads on where this one has stored the last.
 */
export class FlowIntake<in Input, Entries extends string = string> {
  readonly #running: Running;
  /** Settles when the traces of all items are loaded that came before. */
  #loading: Promise<void> | undefined;

  /** Internal: use `run.intake`. */
  constructor(running: object) {
    this.#running = running as Running;
  }

  /**
   * Takes an item of an intake: begins a trace for it and records its position, in the batch that stores both. Resolves
   * when they are stored, with `known` if the id is in flight, failed, parked or undelivered: its position is recorded
   * then, and no trace begins. While an item of its lane waits, at most `limits.rookeryMaxSize` items behind that one are
   * accepted. The trace's outcome, chunks and pauses go to the run's outbox. An item that is refused
   * holds up the positions behind it until it is accepted or {@link FlowIntake.consume | consumed}.
   *
   * @throws FlowError when the message cannot be stored, or the run ends first: `FLOW_STOPPED`, `PARTITION_FENCED`
   * @throws TypeError when the run is not durable or has no outbox
   */
  async accept(input: Input | Message<Input>, options: AcceptOptions<Entries>): Promise<"accepted" | "known"> {
    requireOptions("accept", options);
    const { id, consumed, storedFirst = false, ...emitOptions } = options;
    requireText("id", id);
    const position = requirePosition(consumed);
    const take = (await this.#durable("accept items")).expect(position);
    if (take === undefined) return "known";
    const engine = this.#running.require();
    for (const key of ["traceId", "signal", "keepMs"])
      if (key in emitOptions)
        throw new TypeError(`Option "${key}" of accept is not allowed: its caller does not wait for the trace`);
    const prepared = prepare(engine, input, { ...emitOptions, traceId: id });
    const { message } = prepared;
    const durable = engine.durable as DurableRun;
    durable.requireFitMessage(message);
    const key = { traceId: id, tenant: message.headers.tenant };
    const taken = engine.outcomes.taking(key, position);
    let isKnown: boolean;
    try {
      await this.#loadedInTurn(engine, key);
      // a known item needs no room, and its id may be free again once there is some
      isKnown = takeKnown(engine, key, position, take);
      if (!isKnown) {
        await engine.outcomes.room(position);
        await this.#loadedInTurn(engine, key);
        // finding out and beginning are one step: a wait between them would let a second item begin another trace
        isKnown = takeKnown(engine, key, position, take);
        if (!isKnown) {
          if (storedFirst) durable.storeFirst();
          await this.#enterAccepted(engine, prepared, emitOptions, position, take);
        }
      }
    } finally {
      taken();
    }
    await durable.stored();
    return isKnown ? "known" : "accepted";
  }

  /**
   * Notes items that were read from an intake, in their order. A position is recorded once all noted items up to it are
   * accepted or consumed, so those that follow each other in a lane may be taken in any order.
   *
   * @throws TypeError as `accept` does
   */
  expect(positions: readonly Position[]): void {
    const { durable, options } = this.#running.require();
    if (durable === undefined || options.outbox === undefined) throw this.#noIntake("expect items");
    for (const position of positions) durable.expect(requirePosition(position));
  }

  /**
   * Records the position of an item that needs no trace: a command that has taken effect, or an item that was refused.
   * Resolves when that is stored.
   *
   * @throws FlowError as `accept` does
   */
  async consume(position: Position): Promise<void> {
    const durable = await this.#durable("consume items");
    durable.expect(requirePosition(position))?.();
    await durable.stored();
  }

  /** Positions that are stored, by lane: where the intake is to be read on. */
  async consumed(): Promise<ReadonlyMap<number, number>> {
    const durable = await this.#durable("know positions");
    // positions of the next batch are among them, so they are read before the wait for it
    const { consumed } = durable;
    await durable.stored();
    return consumed;
  }

  /**
   * Resolves once the checkpoint store has confirmed that the run still has its partition, so that what it knew when it
   * was asked is what is stored. A command for an accepted trace is refused only after that: the trace may belong to a
   * later run, which knows better.
   *
   * @throws FlowError when the run ends first: `FLOW_STOPPED`, `PARTITION_FENCED`
   */
  async confirm(): Promise<void> {
    const durable = await this.#durable("confirm its partition");
    await durable.confirm();
    const { isRunning, options } = this.#running;
    if (!isRunning)
      throw new FlowError({ code: FlowErrorCode.FLOW_STOPPED, message: `Run of flow "${options.name}" was stopped` });
  }

  /**
   * Loads the unloaded traces of an item's id, after those of the items before it: an item that needs no loading must not
   * overtake one that does.
   */
  #loadedInTurn(engine: Engine, key: TraceKey): Promise<void> | undefined {
    const own = loadingUnlisted(engine, key);
    if (own === undefined && this.#loading === undefined) return undefined;
    const turn = Promise.all([this.#loading, own]).then(() => undefined);
    const settled = turn
      .catch(() => {})
      .finally(() => {
        if (this.#loading === settled) this.#loading = undefined;
      });
    this.#loading = settled;
    return turn;
  }

  async #durable(what: string): Promise<DurableRun> {
    const { durable, options } = await this.#running.ready();
    if (durable === undefined || options.outbox === undefined) throw this.#noIntake(what);
    return durable;
  }

  #noIntake(what: string): TypeError {
    return new TypeError(
      `Cannot ${what} in a run of flow "${this.#running.options.name}": it needs { durability, outbox }`,
    );
  }

  /** Begins an accepted trace. Resolves in the step in which the entry nodes have room, or the trace has ended. */
  #enterAccepted(
    engine: Engine,
    prepared: Prepared,
    options: EmitOptions,
    position: Position,
    take: () => void,
  ): Promise<void> {
    const { message, edges } = prepared;
    const trace = openTrace(
      engine,
      prepared,
      options,
      engine.outcomes.sinkOf({ traceId: message.traceId, tenant: message.headers.tenant }, position),
    );
    return new Promise((resolve) => {
      // the outcome of a trace that ends while it waits is stored with the position, so nothing is lost either
      const settle = (): void => {
        take();
        resolve();
      };
      if (!trace.isOpen || engine.enter(trace, sealed(trace, message), edges, settle)) settle();
    });
  }
}

/** Loads the unloaded traces of an id, unless memory has the ids of all unloaded ones. */
function loadingUnlisted({ durable }: Engine, key: TraceKey): Promise<void> | undefined {
  return durable === undefined || durable.unlisted === 0 ? undefined : durable.load(key);
}

/** Takes an item whose id is in flight, failed, parked or undelivered. Returns whether it is. */
function takeKnown(engine: Engine, key: TraceKey, position: Position, take: () => void): boolean {
  if (!holdsTrace(engine, key)) return false;
  take();
  engine.outcomes.takenAgain(engine.traces.find(key.traceId, key.tenant), key, position);
  return true;
}
