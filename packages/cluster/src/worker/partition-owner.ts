import {
  errorPayload,
  type FinalOutcome,
  type Flow,
  FlowError,
  FlowErrorCode,
  type FlowRun,
  type Outbox,
  type PauseTicket,
  type StandIn,
  type StreamChunk,
} from "penguiflow";
import type { Offered, StoredResult } from "penguiflow/adapter";
import { durable, readValue, writeError, writeOutcome, writeValue } from "penguiflow/durable";
import { COMMAND_LANE, type Deployment, partitionName, partitionOf } from "../form/place.ts";
import {
  type Attach,
  type CallCommand,
  type Command,
  type FailedQuestion,
  inboxOf,
  type Note,
  ownerSubject,
  type ResultBody,
  type Told,
  type TraceCommand,
} from "../form/command.ts";
import { Gatherer } from "../form/gather.ts";
import { sleep } from "../form/machine.ts";
import { writePauseToken } from "../form/pause-token.ts";
import { fromBytes, readMessage, toBytes } from "../form/text.ts";
import type { Releases } from "../form/releases.ts";
import { answerFailed } from "./failed-answer.ts";
import { IdBindings, RENEW_SHARE } from "./id-bindings.ts";
import type { WorkerSettings } from "./settings.ts";
import { Trimmer } from "./trimmer.ts";

/** Any flow that a worker runs. */
// oxlint-disable-next-line typescript/no-explicit-any -- a worker runs flows of every type
export type AnyFlow = Flow<any, unknown, any>;

/** A version of a flow on a worker. */
export interface Deployed {
  readonly deployment: Deployment;
  readonly flow: AnyFlow;
  readonly resources: unknown;
  readonly releases: Releases;
  /** Nodes that stand in for placed ones. */
  readonly nodes: readonly StandIn[];
}

/** Items of a read. */
const READ_COUNT = 256;
const READ_BYTES = 4_194_304;
/** Milliseconds after which an intake is read again without a notification. */
const POLL_MS = 1_000;
const RESULTS_AT_ONCE = 500;
/** Milliseconds after which an item is offered to another version again. */
const MOVE_RETRY_MS = 250;
const CHUNK_BYTES = 1_048_576;
/** Milliseconds for which open pauses are kept: a year. The outcome of their trace replaces them. */
const PAUSE_KEEP_MS = 31_536_000_000;
/** Milliseconds after which a listener that has not said so again is forgotten. */
const ATTACH_MS = 5_000;

/** Knowledge of a trace that the owner has accepted. Lost at a takeover: callers then ask for their results. */
interface Accepted {
  readonly inboxes: Set<string>;
  readonly digest: string;
  readonly keepMs: number;
}

/** Earlier items that those of a read wait for, so that positions are recorded in order. */
interface Before {
  /** Settles when the messages of the reads before were given to the run. */
  accepted: Promise<unknown>;
  /** Settles when the last command before was consumed. */
  obeyed: Promise<unknown>;
}

/**
 * Owns a partition for as long as it is wanted: acquires its lease, accepts what its intake has, carries out commands,
 * and stores and tells results. Loses it when it cannot write its checkpoints, and tries to acquire it again.
 */
export class PartitionOwner {
  readonly #settings: WorkerSettings;
  readonly #flow: AnyFlow;
  readonly #resources: unknown;
  readonly #name: string;
  readonly #nodes: readonly StandIn[];
  readonly #deployment: Deployment;
  readonly #index: number;
  readonly #leaving = new AbortController();
  readonly #accepted = new Map<string, Accepted>();
  /** Traces that were cancelled before their message was read: by this owner, an earlier one is asked by `isOld`. */
  readonly #overtaken = new Set<string>();
  /** Texts of the open pauses of each trace, by the token that the flow has made. */
  readonly #pauses = new Map<string, Map<string, string>>();
  readonly #listeners = new Map<string, { readonly key: string; readonly inbox: string; readonly until: number }>();
  readonly #results: Gatherer<StoredResult, "stored" | "superseded">;
  readonly #bindings: IdBindings;
  /** Messages that are looked up and not accepted yet, each with the outcome that its trace has come to meanwhile. */
  readonly #taking = new Map<CallCommand, ResultBody | undefined>();
  /** The clock's `now()` when the given ids of this partition were bound to their version. */
  #boundAt: number | undefined;
  #binding: Promise<void> | undefined;
  #inFlight = 0;
  #run: FlowRun<unknown, unknown> | undefined;
  #wake: (() => void) | undefined;
  #isOpen = false;
  readonly #whenOver: Promise<void>;

  constructor(settings: WorkerSettings, { flow, resources, nodes, deployment, releases }: Deployed, index: number) {
    this.#settings = settings;
    this.#flow = flow;
    this.#resources = resources;
    this.#nodes = nodes;
    this.#deployment = deployment;
    this.#name = partitionName(deployment, index);
    this.#index = index;
    this.#results = new Gatherer(settings.machine.scheduler, RESULTS_AT_ONCE, (results) =>
      settings.backend.results.put(results),
    );
    this.#bindings = new IdBindings(settings, deployment, releases);
    this.#whenOver = this.#own();
  }

  /** Whether the partition is held, also while it is being handed over. */
  get isHeld(): boolean {
    return this.#run !== undefined;
  }

  /** Number of traces in the partition, also those that wait for an answer. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Number of outcomes that are not among the results yet. */
  get undelivered(): number {
    return this.#run?.isRunning === true ? this.#run.stats().undeliveredOutcomes : 0;
  }

  /** Whether the partition is held and served. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Hands the partition over: accepts nothing more, lets handlers finish within `drainMs`, and releases the lease. */
  async leave(): Promise<void> {
    this.#leaving.abort();
    this.#wake?.();
    await this.#whenOver;
  }

  /** Whether the given ids of the partition are bound to their version, those of traces in flight included. */
  get binds(): boolean {
    return this.#boundAt !== undefined;
  }

  /** Whether they are to be bound, or their records to be renewed, once the flow is released. */
  get isBindingDue(): boolean {
    const { keepMs, machine } = this.#settings;
    if (this.#run === undefined) return false;
    return this.#boundAt === undefined || machine.clock.now() - this.#boundAt > keepMs * RENEW_SHARE;
  }

  /** Binds the given ids of traces in flight, and from now on those of new messages. */
  bind(): Promise<void> {
    return (this.#binding ??= this.#bind().finally(() => {
      this.#binding = undefined;
    }));
  }

  async #bind(): Promise<void> {
    // first: a message that is looked up from now on is bound by its look-up
    this.#bindings.isOn = true;
    const run = this.#run;
    if (run === undefined) return;
    const { keepMs, machine } = this.#settings;
    const at = machine.clock.now();
    const traces = await run.recovery.unfinished();
    const ids = [...traces.map(({ tenant, traceId }) => ({ tenant, id: traceId, keepMs })), ...this.#taking.keys()];
    await this.#bindings.bind(ids.filter(({ id }) => inboxOf(id) === undefined));
    if (this.#run === run) this.#boundAt = at;
  }

  async #own(): Promise<void> {
    const { signal } = this.#leaving;
    const { leaseMs, logger, machine } = this.#settings;
    for (let failures = 0; !signal.aborted;) {
      try {
        if (await this.#hold()) failures = 0;
      } catch (error) {
        failures += 1;
        logger.warn("partition_lost", { partition: this.#name, error: errorPayload(error) });
      }
      // a leased partition is asked for again soon; a store that fails, later and later
      if (!signal.aborted) {
        const waitMs = Math.min(leaseMs, (leaseMs / 8) * 2 ** Math.min(failures, 3));
        await sleep(machine.clock, waitMs, signal);
      }
    }
  }

  /** Acquires the partition and serves it until it is lost or handed over. Returns whether it was acquired. */
  async #hold(): Promise<boolean> {
    const { backend, leaseMs, machine, member, drainMs } = this.#settings;
    const { checkpoints } = backend;
    this.#accepted.clear();
    this.#pauses.clear();
    const run = this.#flow.start({
      durability: durable({ checkpoints, partition: this.#name, owner: member, leaseMs }),
      resources: this.#resources,
      nodes: this.#nodes,
      outbox: this.#outbox(),
    }) as FlowRun<unknown, unknown>;
    try {
      await run.ready();
    } catch (error) {
      await run.stop();
      if (error instanceof FlowError && error.code === FlowErrorCode.PARTITION_LEASED) return false;
      throw error;
    }
    this.#isOpen = true;
    this.#run = run;
    this.#boundAt = undefined;
    this.#inFlight = run.stats().traces;
    const attaching = backend.wire.subscribe(ownerSubject(this.#name), (body) => this.#hear(run, body));
    const trimmer = new Trimmer(machine.scheduler, backend.intake, this.#name);
    const lost = new AbortController();
    void run.closed.then(() => lost.abort());
    try {
      await this.#bindings.turnOnIfReleased();
      if (this.#bindings.isOn) await this.bind();
      await this.#serve(run, trimmer, AbortSignal.any([this.#leaving.signal, lost.signal]));
      const error = await Promise.race([run.closed, Promise.resolve()]);
      if (error !== undefined) throw error;
      return true;
    } finally {
      this.#isOpen = false;
      attaching[Symbol.dispose]();
      await run.stop({ drainMs: lost.signal.aborted ? 0 : drainMs });
      this.#run = undefined;
      await trimmer.flush();
    }
  }

  /** Reads the intake until the signal aborts. Items are taken beside each other: a blocked one delays only its lane. */
  async #serve(run: FlowRun<unknown, unknown>, trimmer: Trimmer, signal: AbortSignal): Promise<void> {
    const { backend, maxInFlight } = this.#settings;
    const { promise: failed, reject: fail } = Promise.withResolvers<never>();
    failed.catch(() => {});
    const read = new Map(await run.consumed());
    // an earlier owner may have stored items that it could not remove any more
    for (const [lane, sequence] of read) trimmer.trim({ lane, sequence });
    // items that were here before this owner may have been cancelled through an earlier one
    let isOld = true;
    const before: Before = { accepted: Promise.resolve(), obeyed: Promise.resolve() };
    while (!signal.aborted) {
      const free = maxInFlight - this.#inFlight;
      const waitMs = isOld ? 0 : POLL_MS;
      const limit = { count: Math.max(1, Math.min(READ_COUNT, free)), bytes: READ_BYTES, waitMs, signal };
      const items = await Promise.race([
        backend.intake.read(this.#name, free > 0 ? read : this.#commandsAfter(read), limit),
        free > 0 ? failed : Promise.race([failed, this.#room()]),
      ]);
      if (items === undefined) continue;
      if (items.length === 0) isOld = false;
      for (const { lane, sequence } of items) read.set(lane, sequence);
      this.#take(run, items, isOld, before, (item) => trimmer.trim(item)).catch(fail);
    }
  }

  /** Positions after which only commands are left to be read. */
  #commandsAfter(read: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
    const lanes = Array.from({ length: this.#settings.lanes + 1 }, (_, lane) => lane);
    return new Map(
      lanes.map((lane) => [lane, lane === COMMAND_LANE ? (read.get(lane) ?? 0) : Number.MAX_SAFE_INTEGER]),
    );
  }

  /** Waits until a trace has ended. */
  #room(): Promise<undefined> {
    return new Promise((resolve) => {
      this.#wake = () => resolve(undefined);
    });
  }

  /**
   * Takes items. A command for a trace whose message is among them comes after it. The items of an earlier read go first,
   * however long their look-up takes: a position says that all before it are taken.
   */
  async #take(
    run: FlowRun<unknown, unknown>,
    items: readonly Offered[],
    isOld: boolean,
    before: Before,
    taken: (item: Offered) => void,
  ): Promise<void> {
    const pairs = items.flatMap((item) => {
      const command = readMessage<Command>(item.body);
      return command === undefined ? [] : [{ item, command }];
    });
    const unread = items.filter(
      ({ lane, sequence }) => !pairs.some(({ item }) => item.lane === lane && item.sequence === sequence),
    );
    const calls = pairs.flatMap(({ item, command }) => (command.kind === "call" ? [{ item, command }] : []));
    this.#inFlight += calls.length;
    const commands = calls.map(({ command }) => command);
    for (const command of commands) this.#taking.set(command, undefined);
    const looked = Promise.all([this.#finalsOf(commands, isOld), this.#bindings.lookUp(commands), before.accepted]);
    before.accepted = looked;
    const [finals, others] = await looked;
    const accepting = new Map<string, Promise<void>>();
    const work = calls.map(async ({ item, command }) => {
      const final = finals.get(command) ?? others.finals.get(command) ?? this.#taking.get(command);
      const version = final === undefined ? others.elsewhere.get(command) : undefined;
      const accepted =
        version === undefined ? this.#accept(run, item, command, final) : this.#moveCall(run, item, command, version);
      accepting.set(keyOf(command.tenant, command.id), accepted);
      await accepted;
      this.#taking.delete(command);
      taken(item);
    });
    const orders = pairs.map(async ({ item, command }) => {
      if (command.kind === "call") return;
      const isOrdered = item.lane === COMMAND_LANE;
      const earlier = isOrdered ? before.obeyed : Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      if (isOrdered) before.obeyed = promise;
      await accepting.get(keyOf(command.tenant, command.id));
      await this.#obey(run, item, command, earlier);
      taken(item);
      resolve();
    });
    const refused = unread.map(async (item) => {
      this.#settings.logger.error("item_refused", { partition: this.#name, lane: item.lane, sequence: item.sequence });
      await run.consume({ lane: item.lane, sequence: item.sequence });
      taken(item);
    });
    await Promise.all([...work, ...orders, ...refused]);
  }

  /** Looks up the final results of ids that may have ended before. */
  async #finalsOf(calls: readonly CallCommand[], isOld: boolean): Promise<ReadonlyMap<CallCommand, ResultBody>> {
    const asked = calls.filter(({ isGiven, tenant, id }) => isOld || isGiven || this.#overtaken.has(keyOf(tenant, id)));
    if (asked.length === 0) return new Map();
    const keys = asked.map(({ tenant, id }) => ({ partition: this.#name, tenant, id }));
    const found = await this.#settings.backend.results.get(keys, "latest");
    const finals = new Map<CallCommand, ResultBody>();
    for (const [index, command] of asked.entries()) {
      const result = found[index];
      if (result?.isFinal === true) finals.set(command, fromBytes<ResultBody>(result.body));
    }
    return finals;
  }

  async #accept(
    run: FlowRun<unknown, unknown>,
    { lane, sequence }: Offered,
    command: CallCommand,
    final: ResultBody | undefined,
  ): Promise<void> {
    const { tenant, id, inbox, digest, keepMs } = command;
    const position = { lane, sequence };
    const conflict = this.#conflict(command, final);
    if (conflict !== undefined || final !== undefined) {
      await run.consume(position);
      this.#left();
      if (conflict !== undefined) this.#tell(inbox, { kind: "refused", tenant, id, error: writeError(conflict) });
      else if (final?.kind === "outcome") this.#tell(inbox, { kind: "outcome", tenant, id, outcome: final.outcome });
      return;
    }
    const key = keyOf(tenant, id);
    const known = this.#accepted.get(key) ?? { inboxes: new Set<string>(), digest, keepMs };
    known.inboxes.add(inbox);
    this.#accepted.set(key, known);
    try {
      const { budget, deadlineAt, exclusive, priority, to, topic } = command.options;
      const accepted = await run.accept(readValue(command.payload), {
        id,
        tenant,
        consumed: position,
        ...(command.meta === undefined ? {} : { meta: readValue(command.meta) as Readonly<Record<string, unknown>> }),
        budget,
        deadlineAt,
        exclusive,
        priority,
        to,
        topic,
      });
      if (accepted === "known") this.#left();
    } catch (error) {
      if (this.#isLost(error)) throw error;
      this.#accepted.delete(key);
      await run.consume(position);
      this.#left();
      this.#tell(inbox, { kind: "refused", tenant, id, error: writeError(error) });
    }
  }

  /** Returns the error of a call whose id was used for another input. */
  #conflict({ tenant, id, digest }: CallCommand, final: ResultBody | undefined): FlowError | undefined {
    const used = final?.kind === "outcome" ? final.digest : this.#accepted.get(keyOf(tenant, id))?.digest;
    if (used === undefined || used === "" || used === digest) return undefined;
    return new FlowError({
      code: FlowErrorCode.ID_CONFLICT,
      message: `Cannot accept id "${id}": it was used with another input; use an id of its own for each input`,
      traceId: id,
      tenant,
    });
  }

  /** Carries a command out, tells its sender, and consumes it when its effect is stored. */
  async #obey(
    run: FlowRun<unknown, unknown>,
    { lane, sequence, body }: Offered,
    command: TraceCommand,
    earlier: Promise<unknown>,
  ): Promise<void> {
    const { tenant, id, inbox, nonce } = command;
    const undone = (error: unknown): void =>
      this.#tell(inbox, { kind: "undone", tenant, id, nonce, error: writeError(error) });
    try {
      const version = await this.#elsewhere(command);
      if (version !== undefined) {
        await this.#move({ lane, sequence, body }, command, version);
        await earlier;
        await run.consume({ lane, sequence });
        return;
      }
      await this.#perform(run, command, undone);
      await earlier;
      await run.consume({ lane, sequence });
      this.#tell(inbox, { kind: "done", tenant, id, nonce });
    } catch (error) {
      if (this.#isLost(error)) throw error;
      await earlier;
      await run.consume({ lane, sequence });
      undone(error);
    }
  }

  async #perform(
    run: FlowRun<unknown, unknown>,
    command: TraceCommand,
    undone: (error: unknown) => void,
  ): Promise<void> {
    const { tenant, id } = command;
    switch (command.kind) {
      case "cancel": {
        const { found } = await run.cancel(id, { tenant, reason: command.reason });
        // a cancel that has overtaken its message: the result keeps the message from being run
        if (!found) {
          this.#overtaken.add(keyOf(tenant, id));
          await this.#putCancelled(tenant, id, command.reason);
        }
        return;
      }
      case "resume": {
        const { token } = command;
        const { outcome } = await run.pauses.answer(token, readValue(command.value), { tenant });
        const text = await this.#dropPause(tenant, id, token);
        outcome.catch(async (error: unknown) => {
          const isOpenAgain = error instanceof FlowError && error.code === FlowErrorCode.RESUME_INVALID;
          if (isOpenAgain && text !== undefined) await this.#keepPause(tenant, id, token, text).catch(() => {});
          undone(error);
        });
        return;
      }
      case "signal":
        await run.signal(id, command.name, readValue(command.value), { tenant });
        return;
      case "retryFailed":
        await this.#settings.backend.results.forget([{ partition: this.#name, tenant, id }]);
        await run.recovery.retryFailed(id, { tenant });
        this.#inFlight += 1;
        return;
      case "find":
        if (!(await this.#has(run, tenant, id))) throw unknownTrace(tenant, id);
        return;
      case "discard":
        await run.recovery.discard(id, { tenant });
        await this.#settings.backend.results.forget([{ partition: this.#name, tenant, id }]);
        if (this.#bindings.isOn) await this.#bindings.forget(tenant, id);
    }
  }

  /** Returns the other version that the trace of a command belongs to. The token of a pause says so itself. */
  async #elsewhere({ kind, tenant, id }: TraceCommand): Promise<string | undefined> {
    if (!this.#bindings.isOn || kind === "resume" || inboxOf(id) !== undefined) return undefined;
    // a cancel that finds no trace decides the fate of the id, as its message would
    if (kind !== "cancel") return await this.#bindings.elsewhere(tenant, id);
    const given = { tenant, id, keepMs: this.#settings.keepMs };
    return (await this.#bindings.bind([given])).get(given);
  }

  async #moveCall(run: FlowRun<unknown, unknown>, item: Offered, call: CallCommand, version: string): Promise<void> {
    await this.#move(item, call, version);
    await run.consume({ lane: item.lane, sequence: item.sequence });
    this.#left();
  }

  /** Gives an item to the version that its id belongs to. */
  async #move({ lane, body }: Offered, command: Command, version: string): Promise<void> {
    const { tenant, id, inbox } = command;
    const { backend, machine } = this.#settings;
    const partition = partitionOf({ ...this.#deployment, version }, tenant, id);
    // a key of its own: another caller's item of that id may be there, and this caller is to be told as well
    const key = command.kind === "call" ? `${keyOf(tenant, id)}\u0000${inbox}` : command.nonce;
    while (!this.#leaving.signal.aborted) {
      const [answer] = await backend.intake.offer([{ partition, lane, key, body }]).catch(() => [undefined]);
      if (answer === "stored" || answer === "duplicate") return;
      await sleep(machine.clock, MOVE_RETRY_MS, this.#leaving.signal);
    }
    // not consumed: the next owner moves it
    throw new FlowError({ code: FlowErrorCode.FLOW_STOPPED, message: `Partition "${this.#name}" is handed over` });
  }

  async #putCancelled(tenant: string, id: string, reason: string | undefined): Promise<void> {
    const error = new FlowError({
      code: FlowErrorCode.TRACE_CANCELLED,
      message: `Trace "${id}" was cancelled before it began`,
      traceId: id,
      tenant,
    });
    const base = { traceId: id, tenant, messages: [], results: [], droppedResults: 0, durationMs: 0, spent: {} };
    await this.#putOutcome({ ...base, status: "cancelled", error, reason });
  }

  /** Counts a trace that is no longer in flight. */
  #left(): void {
    this.#inFlight = Math.max(0, this.#inFlight - 1);
    this.#wake?.();
  }

  #outbox(): Outbox {
    return {
      deliver: async (outcome) => {
        await this.#putOutcome(outcome);
        this.#left();
      },
      chunk: (chunk, { tenant, traceId }) => this.#tellChunk(chunk, tenant, traceId),
      pause: (ticket, { tenant, traceId }) => void this.#tellPause(ticket, tenant, traceId),
    };
  }

  /** Stores an outcome and tells its callers. The first final result of an id wins. */
  async #putOutcome(outcome: FinalOutcome): Promise<void> {
    const { tenant, traceId: id } = outcome;
    const accepted = this.#accepted.get(keyOf(tenant, id));
    const text = writeOutcome(outcome);
    const body: ResultBody = { kind: "outcome", digest: accepted?.digest ?? "", outcome: text };
    const key = { partition: this.#name, tenant, id };
    const keepMs = accepted?.keepMs ?? this.#settings.keepMs;
    // their look-up may have missed it, and the run will not know the trace any more
    for (const call of this.#taking.keys()) if (call.tenant === tenant && call.id === id) this.#taking.set(call, body);
    await this.#results.add({ key, isFinal: true, body: toBytes(body), keepMs });
    for (const inbox of this.#inboxesOf(tenant, id)) this.#tell(inbox, { kind: "outcome", tenant, id, outcome: text });
    this.#pauses.delete(keyOf(tenant, id));
    this.#accepted.delete(keyOf(tenant, id));
  }

  #tellChunk(chunk: StreamChunk, tenant: string, id: string): void {
    const inboxes = this.#inboxesOf(tenant, id);
    if (inboxes.size === 0) return;
    const text = writeValue({ ...chunk }, "chunk", CHUNK_BYTES);
    for (const inbox of inboxes) this.#tell(inbox, { kind: "chunk", tenant, id, chunk: text });
  }

  async #tellPause(ticket: PauseTicket, tenant: string, id: string): Promise<void> {
    try {
      const { version } = this.#deployment;
      const token = writePauseToken({ version, index: this.#index, id, token: ticket.token });
      const text = writeValue({ ...ticket, token }, "pause", CHUNK_BYTES);
      await this.#keepPause(tenant, id, ticket.token, text);
      for (const inbox of this.#inboxesOf(tenant, id)) this.#tell(inbox, { kind: "pause", tenant, id, pause: text });
    } catch (error) {
      const { logger } = this.#settings;
      logger.error("pause_not_told", { partition: this.#name, traceId: id, tenant, error: errorPayload(error) });
    }
  }

  /** Stores a pause among the open ones of its trace. */
  async #keepPause(tenant: string, id: string, token: string, text: string): Promise<void> {
    const key = keyOf(tenant, id);
    const pauses = this.#pauses.get(key) ?? new Map<string, string>();
    this.#pauses.set(key, pauses.set(token, text));
    await this.#putPauses(tenant, id, pauses);
  }

  /** Removes a pause that is answered. Returns its text. */
  async #dropPause(tenant: string, id: string, token: string): Promise<string | undefined> {
    const pauses = this.#pauses.get(keyOf(tenant, id));
    const text = pauses?.get(token);
    if (pauses === undefined || text === undefined) return undefined;
    pauses.delete(token);
    await this.#putPauses(tenant, id, pauses);
    return text;
  }

  async #putPauses(tenant: string, id: string, pauses: ReadonlyMap<string, string>): Promise<void> {
    const body: ResultBody = { kind: "pause", pauses: [...pauses.values()] };
    const key = { partition: this.#name, tenant, id };
    await this.#results.add({ key, isFinal: false, body: toBytes(body), keepMs: PAUSE_KEEP_MS });
  }

  /** Whether a trace is under way or has left a result. */
  async #has(run: FlowRun<unknown, unknown>, tenant: string, id: string): Promise<boolean> {
    if (this.#accepted.has(keyOf(tenant, id)) || (await run.recovery.has(id, { tenant }))) return true;
    const [result] = await this.#settings.backend.results.get([{ partition: this.#name, tenant, id }], "latest");
    return result !== undefined;
  }

  /** Receives a client that wants to hear of a trace, which says so again every second, or a question. */
  #hear(run: FlowRun<unknown, unknown>, body: Uint8Array): void {
    const attach = readMessage<Attach | FailedQuestion>(body);
    if (attach === undefined) return;
    if ("asks" in attach) {
      const { wire, limits } = this.#settings.backend;
      void answerFailed(run, this.#index, attach, limits.offerBytes, (answer) => wire.publish(attach.inbox, answer));
      return;
    }
    const { tenant, id, inbox } = attach;
    const now = this.#settings.machine.clock.now();
    for (const [listener, { until }] of this.#listeners) if (until < now) this.#listeners.delete(listener);
    this.#listeners.set(`${keyOf(tenant, id)}\u0000${inbox}`, {
      key: keyOf(tenant, id),
      inbox,
      until: now + ATTACH_MS,
    });
  }

  #inboxesOf(tenant: string, id: string): ReadonlySet<string> {
    const key = keyOf(tenant, id);
    const inboxes = new Set(this.#accepted.get(key)?.inboxes);
    const own = inboxOf(id);
    if (own !== undefined) inboxes.add(own);
    for (const listener of this.#listeners.values()) if (listener.key === key) inboxes.add(listener.inbox);
    return inboxes;
  }

  #tell(inbox: string, told: Told): void {
    const note: Note = { flow: this.#deployment.flow, ...told };
    this.#settings.backend.wire.publish(inbox, toBytes(note));
  }

  /** Whether an error means that the partition is lost, and not that an item is refused. */
  #isLost(error: unknown): boolean {
    const codes: readonly string[] = [
      FlowErrorCode.FLOW_STOPPED,
      FlowErrorCode.FLOW_NOT_RUNNING,
      FlowErrorCode.PARTITION_FENCED,
      FlowErrorCode.CHECKPOINT_FAILED,
    ];
    return error instanceof FlowError && codes.includes(error.code);
  }
}

function unknownTrace(tenant: string, traceId: string): FlowError {
  return new FlowError({
    code: FlowErrorCode.TRACE_UNKNOWN,
    message: `No trace "${traceId}" of tenant "${tenant}" is under way, and no outcome of it is kept`,
    traceId,
    tenant,
  });
}

const keyOf = (tenant: string, id: string): string => `${tenant}\u0000${id}`;
