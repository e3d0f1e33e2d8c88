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
import type { ClusterBackend, Offered, ResultKey, StoredResult } from "penguiflow/adapter";
import { durable, readOutcome, readValue, writeError, writeOutcome, writeValue } from "penguiflow/durable";
import { COMMAND_LANE, type Deployment, partitionName, partitionOf } from "../form/place.ts";
import {
  type Attach,
  type CallCommand,
  type Command,
  type FailedQuestion,
  inboxOf,
  type Note,
  ownerSubject,
  type RefusalBody,
  refusedIdOf,
  type ResultBody,
  type Told,
  type TraceCommand,
} from "../form/command.ts";
import { Gatherer } from "../form/gather.ts";
import { differs, idConflict } from "../form/id-conflict.ts";
import { sleep } from "../form/machine.ts";
import { writePauseToken } from "../form/pause-token.ts";
import { finalOf, type Kept, readKept } from "../form/kept.ts";
import { readMessage, toBytes } from "../form/text.ts";
import type { Releases } from "../form/releases.ts";
import { answerFailed } from "./failed-answer.ts";
import { IdBindings, RENEW_SHARE } from "./id-bindings.ts";
import { InFlight } from "./in-flight.ts";
import { OpenPauses } from "./open-pauses.ts";
import { ANSWER_MS, PauseClaims } from "./pause-claims.ts";
import type { RunningSettings } from "./settings.ts";
import { TraceCommands } from "./trace-commands.ts";
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
/** Traces that wait for an answer, a signal or an instant, and do not count as in flight for `maxInFlight`. */
const MOST_WAITING = 10_000;
/** Milliseconds after which an item is offered to another version again. */
const MOVE_RETRY_MS = 250;
const CHUNK_BYTES = 1_048_576;
/** Milliseconds after which a listener that has not said so again is forgotten. */
const ATTACH_MS = 5_000;
/** Ended traces of which a repeated offer is recognised. */
const REMEMBERED = 4_096;

/** Knowledge of a trace that the owner has accepted. Lost at a takeover: callers then ask for their results. */
interface Accepted {
  readonly inboxes: Set<string>;
  /** That of the input; empty where an earlier owner has accepted the trace. */
  digest: string;
  readonly keepMs: number;
  /** Settles when it is known whether an earlier owner has; absent once it is. */
  accepting: Promise<void> | undefined;
}

/** Items that were looked up. */
interface Found {
  /** Final results of their ids. */
  readonly finals: ReadonlyMap<CallCommand, Kept<ResultBody>>;
  /** Earlier refusals. */
  readonly refusals: ReadonlyMap<CallCommand, Kept<RefusalBody>>;
}

/** A run of the partition, and the work on items that have been read. */
interface Serving {
  readonly run: FlowRun<unknown, unknown>;
  readonly commands: TraceCommands;
  readonly trimmer: Trimmer;
  /** Settles when the results of the calls read so far are looked up. */
  looked: Promise<unknown>;
  /** The last call of each trace that is being accepted. */
  readonly accepting: Map<string, Promise<void>>;
  /** The last call of each lane that is given to the run later, for others to follow. Absent when none is. */
  readonly delayed: Map<number, Promise<void>>;
}

/**
 * Owns a partition for as long as it is wanted: acquires its lease, accepts what its intake has, carries out commands,
 * and stores and tells results. Loses it when it cannot write its checkpoints, and tries to acquire it again.
 */
export class PartitionOwner {
  readonly #settings: RunningSettings;
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
  readonly #pauses: OpenPauses;
  /** Present while a run has the partition, or is about to acquire it. */
  #claims: PauseClaims | undefined;
  readonly #listeners = new Map<string, { readonly key: string; readonly inbox: string; readonly until: number }>();
  readonly #results: Gatherer<StoredResult, number | "superseded">;
  readonly #bindings: IdBindings;
  /** Messages that are looked up and not accepted yet, each with the outcome that its trace has come to meanwhile. */
  readonly #taking = new Map<CallCommand, Kept<ResultBody> | undefined>();
  /** The clock's `now()` when the given ids of this partition were bound to their version. */
  #boundAt: number | undefined;
  #binding: Promise<void> | undefined;
  /** Callbacks of commands that wait for the result of a trace. */
  readonly #awaited = new Map<string, Set<() => void>>();
  /**
   * Latest traces with ids that clients have made, which have ended: an offer that was repeated on its way may come after
   * their results are forgotten.
   */
  readonly #ended = new Set<string>();
  #inFlight = new InFlight();
  /** Fencing token of the partition. */
  #epoch = 0;
  /** Number of items that are still accepted with care: as many as a former owner can have had in memory alone. */
  #carefulItems = 0;
  #run: FlowRun<unknown, unknown> | undefined;
  #isOpen = false;
  #wasLost = false;
  readonly #whenOver: Promise<void>;

  constructor(settings: RunningSettings, { flow, resources, nodes, deployment, releases }: Deployed, index: number) {
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
    this.#pauses = new OpenPauses({
      settings,
      partition: this.#name,
      putResult: (result) => this.#results.add(result),
      tellPause: (tenant, id, text) => {
        const digest = this.#digestOf(tenant, id);
        for (const inbox of this.#inboxesOf(tenant, id))
          this.#tell(inbox, { kind: "pause", tenant, id, pause: text, digest });
      },
      digestOf: (tenant, id) => this.#digestOf(tenant, id),
      settle: async (pause, isOpen) => await this.#claims?.settle(pause, isOpen),
    });
    this.#whenOver = this.#own();
  }

  /** Whether the partition is held, also while it is being handed over. */
  get isHeld(): boolean {
    return this.#run !== undefined;
  }

  /** Whether the partition was lost, so that it may have more than was counted, and is not held again. */
  get wasLost(): boolean {
    return this.#wasLost;
  }

  /** Number of traces in the partition, also those that wait for an answer. */
  get inFlight(): number {
    return this.#inFlight.size;
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
    this.#inFlight.wake();
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
    const { backend, leaseMs, machine, member, drainMs, maxLostOwners } = this.#settings;
    const checkpoints: ClusterBackend["checkpoints"] = {
      share: (request) => backend.checkpoints.share(request),
      open: async (request) => {
        const partition = await backend.checkpoints.open(request);
        this.#epoch = partition.fencingToken;
        return partition;
      },
    };
    this.#accepted.clear();
    this.#pauses.begin();
    this.#carefulItems = this.#settings.maxInFlight + READ_COUNT;
    this.#taking.clear();
    const lease = await this.#settings.lease();
    const inFlight = new InFlight();
    const run: FlowRun<unknown, unknown> = this.#flow.start({
      durability: durable({ checkpoints, partition: this.#name, owner: member, leaseMs, lease, maxLostOwners }),
      resources: this.#resources,
      nodes: this.#nodes,
      outbox: this.#outbox(inFlight, () => run),
    }) as FlowRun<unknown, unknown>;
    const claims = this.#claimsOf(run);
    this.#claims = claims;
    // one that takes long to read is left before it is open
    const stop = (): void => void run.stop().catch(() => {});
    const { signal: leaving } = this.#leaving;
    leaving.addEventListener("abort", stop, { once: true });
    try {
      await run.ready();
    } catch (error) {
      await run.stop();
      this.#pauses.end();
      const isLeased = error instanceof FlowError && error.code === FlowErrorCode.PARTITION_LEASED;
      if (isLeased || leaving.aborted) return false;
      throw error;
    } finally {
      leaving.removeEventListener("abort", stop);
    }
    this.#isOpen = true;
    this.#wasLost = false;
    this.#run = run;
    this.#boundAt = undefined;
    inFlight.begin(run.stats());
    this.#inFlight = inFlight;
    const attaching = backend.wire.subscribe(ownerSubject(this.#name), (body) => this.#hear(run, body));
    const trimmer = new Trimmer(machine.scheduler, backend.intake, this.#name, () => run.intake.consumed());
    const lost = new AbortController();
    void run.closed.then(() => lost.abort());
    try {
      await this.#bindings.turnOnIfReleased();
      if (this.#bindings.isOn) await this.bind();
      await this.#serve({ run, claims, trimmer }, AbortSignal.any([this.#leaving.signal, lost.signal]));
      const error = await Promise.race([run.closed, Promise.resolve()]);
      if (error !== undefined) throw error;
      return true;
    } finally {
      this.#isOpen = false;
      attaching[Symbol.dispose]();
      await run.stop({ drainMs: lost.signal.aborted ? 0 : drainMs });
      this.#wasLost = (await run.closed) !== undefined;
      this.#run = undefined;
      this.#pauses.end();
      await trimmer.flush();
    }
  }

  /** Reads the intake until the signal aborts. Items are taken beside each other: a blocked one delays only its lane. */
  async #serve(
    { run, claims, trimmer }: Pick<Serving, "run" | "trimmer"> & { readonly claims: PauseClaims },
    signal: AbortSignal,
  ): Promise<void> {
    const { backend, maxInFlight } = this.#settings;
    const { promise: failed, reject: fail } = Promise.withResolvers<never>();
    failed.catch(() => {});
    const read = new Map(await run.intake.consumed());
    // an earlier owner may have stored items that it could not remove any more
    trimmer.trimSoon();
    // items that were here before this owner may have been cancelled through an earlier one
    let isOld = true;
    const serving: Serving = {
      run,
      commands: this.#commands(claims),
      trimmer,
      looked: Promise.resolve(),
      accepting: new Map(),
      delayed: new Map(),
    };
    while (!signal.aborted) {
      // a question that is open for days must not keep others out
      const free = maxInFlight - Math.max(0, this.#inFlight.size - Math.min(run.waiting, MOST_WAITING));
      const waitMs = isOld ? 0 : POLL_MS;
      const limit = { count: Math.max(1, Math.min(READ_COUNT, free)), bytes: READ_BYTES, waitMs, signal };
      const items = await Promise.race([
        backend.intake.read(this.#name, free > 0 ? read : this.#commandsAfter(read), limit),
        free > 0 ? failed : Promise.race([failed, this.#inFlight.room()]),
      ]);
      if (items === undefined) continue;
      if (items.length === 0) {
        isOld = false;
        trimmer.tryAgain();
      }
      for (const { lane, sequence } of items) read.set(lane, sequence);
      run.intake.expect(items);
      this.#take(serving, items, isOld).catch(fail);
    }
  }

  /** Positions after which only commands are left to be read. */
  #commandsAfter(read: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
    const lanes = Array.from({ length: this.#settings.lanes + 1 }, (_, lane) => lane);
    return new Map(
      lanes.map((lane) => [lane, lane === COMMAND_LANE ? (read.get(lane) ?? 0) : Number.MAX_SAFE_INTEGER]),
    );
  }

  /** Takes items. A command for a trace whose message is among them, or was read before, comes after it. */
  async #take(serving: Serving, items: readonly Offered[], isOld: boolean): Promise<void> {
    const { run, commands, trimmer, accepting } = serving;
    const calls: { readonly item: Offered; readonly command: CallCommand }[] = [];
    const orders: { readonly item: Offered; readonly command: TraceCommand }[] = [];
    const unread: Offered[] = [];
    for (const item of items) {
      const command = readMessage<Command>(item.body);
      if (command === undefined) unread.push(item);
      else if (command.kind === "call") calls.push({ item, command });
      else orders.push({ item, command });
    }
    this.#inFlight.size += calls.length;
    const asked = calls.map(({ command }) => command);
    for (const command of asked) this.#taking.set(command, undefined);
    // calls of an earlier read go first, however long their look-up takes
    const looked = Promise.all([this.#finalsOf(asked, isOld), this.#bindings.lookUp(asked), serving.looked]);
    serving.looked = looked;
    const [{ finals, refusals }, others] = await looked;
    const work = calls.map(async ({ item, command }) => {
      const trace = keyOf(command.tenant, command.id);
      const refusal = refusals.get(command);
      const final = finals.get(command) ?? others.finals.get(command);
      const accepted =
        refusal === undefined
          ? this.#acceptInTurn(serving, item, command, final, others.elsewhere.get(command))
          : this.#refuse(run, item, command, refusal);
      accepting.set(trace, accepted);
      await accepted;
      if (accepting.get(trace) === accepted) accepting.delete(trace);
      this.#taking.delete(command);
      trimmer.trimSoon();
    });
    const obeyed = orders.map(async ({ item, command }) => {
      await commands.obey(run, item, command, accepting.get(keyOf(command.tenant, command.id)));
      trimmer.trimSoon();
    });
    const refused = unread.map(async (item) => {
      this.#settings.logger.error("item_refused", { partition: this.#name, lane: item.lane, sequence: item.sequence });
      await run.intake.consume({ lane: item.lane, sequence: item.sequence });
      trimmer.trimSoon();
    });
    await Promise.all([...work, ...obeyed, ...refused]);
  }

  /**
   * Accepts a call once the commands for its trace that were read before it are carried out, in the order of its lane.
   *
   * @param elsewhere - the other version that its id belongs to, if it has no result
   */
  async #acceptInTurn(
    { run, commands, delayed }: Serving,
    item: Offered,
    command: CallCommand,
    final: Kept<ResultBody> | undefined,
    elsewhere: string | undefined,
  ): Promise<void> {
    const { lane } = item;
    const [before, pending] = [delayed.get(lane), commands.pending(keyOf(command.tenant, command.id))];
    const accept = (last: Kept<ResultBody> | undefined): Promise<void> =>
      last === undefined && elsewhere !== undefined
        ? this.#moveCall(run, item, command, elsewhere)
        : this.#accept(run, item, command, last);
    if (before === undefined && pending === undefined) {
      await accept(final ?? this.#taking.get(command));
      return;
    }
    const { promise: given, resolve: give } = Promise.withResolvers<void>();
    delayed.set(lane, given);
    await Promise.all([before, pending]);
    const later = final ?? (await this.#finalsOf([command], true)).finals.get(command);
    const accepted = accept(later ?? this.#taking.get(command));
    if (delayed.get(lane) === given) delayed.delete(lane);
    give();
    await accepted;
  }

  /** Looks up the final results of ids that may have ended before, and the refusals of calls that may have been read. */
  async #finalsOf(calls: readonly CallCommand[], isOld: boolean): Promise<Found> {
    const asked = calls.filter(
      ({ isGiven, isRepeated, tenant, id }) =>
        isOld || isGiven || isRepeated === true || this.#overtaken.has(keyOf(tenant, id)),
    );
    const finals = new Map<CallCommand, Kept<ResultBody>>();
    const refusals = new Map<CallCommand, Kept<RefusalBody>>();
    if (asked.length === 0) return { finals, refusals };
    const again = asked.filter(({ isRepeated }) => isOld || isRepeated === true);
    const keys = [
      ...asked.map(({ tenant, id }) => ({ partition: this.#name, tenant, id })),
      ...again.map(({ tenant, nonce }) => ({ partition: this.#name, tenant, id: refusedIdOf(nonce) })),
    ];
    const found = await this.#settings.backend.results.get(keys, "latest");
    for (const [index, command] of asked.entries()) {
      const result = found[index];
      if (result?.isFinal === true) finals.set(command, readKept<ResultBody>(result));
    }
    for (const [index, command] of again.entries()) {
      const refusal = found[asked.length + index];
      if (refusal !== undefined) refusals.set(command, readKept<RefusalBody>(refusal));
    }
    return { finals, refusals };
  }

  /**
   * Refuses a call. Its sender finds that among the results where the wire has lost it, and a call that comes twice is
   * refused twice.
   */
  async #refuse(
    run: FlowRun<unknown, unknown>,
    { lane, sequence }: Offered,
    { tenant, id, inbox, nonce }: CallCommand,
    why: Error | Kept<RefusalBody>,
  ): Promise<void> {
    const key = { partition: this.#name, tenant, id: refusedIdOf(nonce) };
    let refusal = why instanceof Error ? undefined : why;
    if (why instanceof Error) {
      const body: RefusalBody = { kind: "refused", error: writeError(why) };
      const put = await this.#results.add({ key, isFinal: true, body: toBytes(body), keepMs: ANSWER_MS });
      refusal =
        put === "superseded"
          ? await finalOf<RefusalBody>(this.#settings.backend.results, key)
          : { ...body, revision: put };
      this.#remember(keyOf(tenant, nonce));
    }
    await run.intake.consume({ lane, sequence });
    this.#inFlight.left();
    if (refusal === undefined) return;
    const { error, revision } = refusal;
    this.#tell(inbox, { kind: "refused", tenant, id, nonce, error, stored: { key, revision } });
  }

  async #accept(
    run: FlowRun<unknown, unknown>,
    item: Offered,
    command: CallCommand,
    final: Kept<ResultBody> | undefined,
  ): Promise<void> {
    const { tenant, id, inbox, nonce, digest, keepMs } = command;
    const position = { lane: item.lane, sequence: item.sequence };
    const key = keyOf(tenant, id);
    const before = this.#accepted.get(key);
    if (differs(digest, final?.kind === "outcome" ? final.digest : before?.digest)) {
      await this.#refuse(run, item, command, idConflict(tenant, id));
      return;
    }
    if (final !== undefined || this.#ended.has(key) || this.#ended.has(keyOf(tenant, nonce))) {
      await run.intake.consume(position);
      this.#inFlight.left();
      if (final?.kind === "outcome") this.#tell(inbox, toldOf(final, tenant, id));
      return;
    }
    const known = before ?? { inboxes: new Set<string>(), digest, keepMs, accepting: undefined };
    known.inboxes.add(inbox);
    this.#accepted.set(key, known);
    try {
      const { budget, deadlineAt, exclusive, principal, priority, to, topic } = command.options;
      const accepting = run.intake.accept(readValue(command.payload), {
        id,
        tenant,
        consumed: position,
        storedFirst: this.#isCareful(),
        ...(command.meta === undefined ? {} : { meta: readValue(command.meta) as Readonly<Record<string, unknown>> }),
        budget,
        deadlineAt,
        exclusive,
        principal,
        priority,
        to,
        topic,
      });
      // the input that an earlier owner has accepted may be another one
      if (before === undefined)
        known.accepting = accepting.then(
          (how): undefined => {
            if (how === "known") known.digest = "";
            known.accepting = undefined;
            return undefined;
          },
          () => {},
        );
      if ((await accepting) === "known") this.#inFlight.left();
    } catch (error) {
      if (this.#isLost(error)) throw error;
      if (before === undefined) this.#accepted.delete(key);
      await this.#refuse(run, item, command, error as Error);
    }
  }

  #digestOf(tenant: string, id: string): string {
    return this.#accepted.get(keyOf(tenant, id))?.digest ?? "";
  }

  /** Whether an item that is accepted now may have been accepted by an owner that it ended. Counts down. */
  #isCareful(): boolean {
    this.#carefulItems -= 1;
    return this.#carefulItems >= 0;
  }

  #claimsOf(run: FlowRun<unknown, unknown>): PauseClaims {
    return new PauseClaims({
      settings: this.#settings,
      partition: this.#name,
      putResult: (result) => this.#results.add(result),
      tell: (inbox, told) => this.#tell(inbox, told),
      confirm: () => run.intake.confirm(),
    });
  }

  #commands(claims: PauseClaims): TraceCommands {
    return new TraceCommands({
      settings: this.#settings,
      partition: this.#name,
      claims,
      putResult: (result) => this.#results.add(result),
      putCancelled: (tenant, id, reason) => this.#putCancelled(tenant, id, reason),
      whenResult: (run, tenant, id) => this.#whenResult(run, tenant, id),
      has: (run, tenant, id) => this.#has(run, tenant, id),
      answered: (tenant, id, token) => this.#pauses.drop(tenant, id, token),
      retried: () => (this.#inFlight.size += 1),
      discarded: async (tenant, id) => {
        if (this.#bindings.isOn) await this.#bindings.forget(tenant, id);
      },
      elsewhere: (command) => this.#elsewhere(command),
      move: (item, command, version) => this.#move(item, command, version),
      tell: (inbox, told) => this.#tell(inbox, told),
      isLost: (error) => this.#isLost(error),
    });
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
    await run.intake.consume({ lane: item.lane, sequence: item.sequence });
    this.#inFlight.left();
  }

  /** Gives an item to the version that its id belongs to. */
  async #move({ lane, body }: Offered, command: Command, version: string): Promise<void> {
    const { tenant, id, nonce: key } = command;
    const { backend, machine } = this.#settings;
    const partition = partitionOf({ ...this.#deployment, version }, tenant, id);
    while (!this.#leaving.signal.aborted) {
      const [answer] = await backend.intake.offer([{ partition, lane, key, body }]).catch(() => [undefined]);
      if (answer === "stored" || answer === "duplicate") return;
      await sleep(machine.clock, MOVE_RETRY_MS, this.#leaving.signal);
    }
    // not consumed: the next owner moves it
    throw new FlowError({ code: FlowErrorCode.FLOW_STOPPED, message: `Partition "${this.#name}" is handed over` });
  }

  async #putCancelled(tenant: string, id: string, reason: string | undefined): Promise<void> {
    if (inboxOf(id) === undefined && (await this.#bindings.hasEndedEarly({ tenant, id }))) return;
    const error = new FlowError({
      code: FlowErrorCode.TRACE_CANCELLED,
      message: `Trace "${id}" was cancelled before it began`,
      traceId: id,
      tenant,
    });
    const base = { traceId: id, tenant, messages: [], results: [], droppedResults: 0, durationMs: 0, spent: {} };
    this.#overtaken.add(keyOf(tenant, id));
    await this.#putOutcome({ ...base, status: "cancelled", error, reason });
  }

  /** Resolves once an ended trace has its final result. */
  async #whenResult(run: FlowRun<unknown, unknown>, tenant: string, id: string): Promise<void> {
    const key = keyOf(tenant, id);
    const { promise, resolve } = Promise.withResolvers<void>();
    const awaited = this.#awaited.get(key) ?? new Set();
    this.#awaited.set(key, awaited.add(resolve));
    try {
      const { results } = this.#settings.backend;
      const [result] = await results.get([{ partition: this.#name, tenant, id }], "latest");
      if (result?.isFinal === true) return;
      const ended = run.closed.then(() => run.intake.consumed());
      await Promise.race([promise, ended]);
    } finally {
      awaited.delete(resolve);
      if (awaited.size === 0) this.#awaited.delete(key);
    }
  }

  #outbox(inFlight: InFlight, runOf: () => FlowRun<unknown, unknown>): Outbox {
    return {
      deliver: async (outcome) => {
        await this.#putOutcome(outcome, outcome.status === "failed" ? undefined : runOf());
        inFlight.left();
      },
      withdraw: async ({ tenant, traceId }) => {
        const key = this.#keyOf(tenant, traceId);
        await this.#removeFailure(runOf(), await this.#finalOf(key), key);
      },
      chunk: (chunk, { tenant, traceId }) => this.#tellChunk(chunk, tenant, traceId),
      pause: (ticket, { tenant, traceId }) => {
        this.#tellPause(ticket, tenant, traceId);
        // it rests from the end of this step on
        this.#settings.machine.scheduler.nextTurn(() => inFlight.wake());
      },
    };
  }

  /**
   * Stores an outcome and tells its callers. The first final result of an id wins.
   *
   * @param run - given for an outcome that comes after any failure of its trace: one that is stored gives way
   */
  async #putOutcome(outcome: FinalOutcome, run?: FlowRun<unknown, unknown>): Promise<void> {
    const { tenant, traceId: id } = outcome;
    const accepted = this.#accepted.get(keyOf(tenant, id));
    await accepted?.accepting;
    const text = writeOutcome(outcome);
    const body: ResultBody = { kind: "outcome", digest: accepted?.digest ?? "", outcome: text };
    const key = this.#keyOf(tenant, id);
    const keepMs = accepted?.keepMs ?? this.#settings.keepMs;
    const result: StoredResult = { key, isFinal: true, body: toBytes(body), keepMs };
    let put = await this.#results.add(result);
    let final = put === "superseded" ? await this.#finalOf(key) : { ...body, revision: put };
    // the request that stored the failure may have come again since that was withdrawn
    while (put === "superseded" && (await this.#removeFailure(run, final, key))) {
      put = await this.#results.add(result);
      final = put === "superseded" ? await this.#finalOf(key) : { ...body, revision: put };
    }
    // their look-up may have missed it, and the run will not know the trace any more
    for (const call of this.#taking.keys()) if (call.tenant === tenant && call.id === id) this.#taking.set(call, final);
    if (final?.kind === "outcome")
      for (const inbox of this.#inboxesOf(tenant, id)) this.#tell(inbox, toldOf(final, tenant, id));
    if (inboxOf(id) !== undefined) this.#remember(keyOf(tenant, id));
    this.#pauses.forget(tenant, id);
    this.#accepted.delete(keyOf(tenant, id));
    for (const resolve of this.#awaited.get(keyOf(tenant, id)) ?? []) resolve();
  }

  /** Removes the final result of a trace if that is a failure, which its retry replaces. Returns whether it was. */
  async #removeFailure(
    run: FlowRun<unknown, unknown> | undefined,
    final: Kept<ResultBody> | undefined,
    key: ResultKey,
  ): Promise<boolean> {
    if (run === undefined || final?.kind !== "outcome" || readOutcome(final.outcome).status !== "failed") return false;
    // the memory of this owner may be old
    await run.intake.confirm();
    await this.#settings.backend.results.forget([{ key, revision: final.revision }]);
    return true;
  }

  #finalOf(key: ResultKey): Promise<Kept<ResultBody> | undefined> {
    return finalOf<ResultBody>(this.#settings.backend.results, key);
  }

  #keyOf(tenant: string, id: string): ResultKey {
    return { partition: this.#name, tenant, id };
  }

  /** Notes that a trace with an id that its client has made has ended. */
  #remember(key: string): void {
    this.#ended.add(key);
    if (this.#ended.size <= REMEMBERED) return;
    for (const oldest of this.#ended) {
      this.#ended.delete(oldest);
      return;
    }
  }

  #tellChunk(chunk: StreamChunk, tenant: string, id: string): void {
    const inboxes = this.#inboxesOf(tenant, id);
    if (inboxes.size === 0) return;
    const text = writeValue({ ...chunk }, "chunk", CHUNK_BYTES);
    for (const inbox of inboxes) this.#tell(inbox, { kind: "chunk", tenant, id, chunk: text, epoch: this.#epoch });
  }

  #tellPause(ticket: PauseTicket, tenant: string, id: string): void {
    const { version } = this.#deployment;
    void this.#pauses.tell(tenant, id, ticket.token, () => {
      const token = writePauseToken({ version, index: this.#index, id, token: ticket.token });
      return writeValue({ ...ticket, token }, "pause", CHUNK_BYTES);
    });
  }

  /** Whether a trace is under way or has left a result. */
  async #has(run: FlowRun<unknown, unknown>, tenant: string, id: string): Promise<boolean> {
    if (this.#accepted.has(keyOf(tenant, id)) || (await run.recovery.has(id, { tenant }))) return true;
    const [result] = await this.#settings.backend.results.get([{ partition: this.#name, tenant, id }], "latest");
    if (result !== undefined) return true;
    return inboxOf(id) === undefined && (await this.#bindings.hasEndedEarly({ tenant, id }));
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

function toldOf(
  { outcome, digest, revision }: Kept<ResultBody & { readonly kind: "outcome" }>,
  tenant: string,
  id: string,
): Told {
  return { kind: "outcome", tenant, id, outcome, digest, revision };
}

const keyOf = (tenant: string, id: string): string => `${tenant}\u0000${id}`;
