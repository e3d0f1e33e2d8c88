import { type Budget, errorPayload, type FinalOutcome, FlowError, FlowErrorCode, type TraceItems } from "penguiflow";
import { digestOf, type Offer, type ResultKey, type ResultRevision } from "penguiflow/adapter";
import { readError, writeInput } from "penguiflow/durable";
import {
  type Answer,
  type Attach,
  type BindingBody,
  type CallCommand,
  type Command,
  type CommandRecord,
  type Note,
  ownerSubject,
  type RefusalBody,
  refusedIdOf,
  type ResultBody,
  unfitIdOf,
} from "../form/command.ts";
import { Gatherer } from "../form/gather.ts";
import { differs, idConflict } from "../form/id-conflict.ts";
import { sleep } from "../form/machine.ts";
import { readPauseToken } from "../form/pause-token.ts";
import { COMMAND_LANE, type Deployment, laneOf, partitionName, partitionNames, partitionOf } from "../form/place.ts";
import {
  bindingKey,
  earlyVersions,
  FIRST_VERSION,
  generatedId,
  type Release,
  requireVersion,
  versionFor,
  versionOfId,
  versionsOf,
} from "../form/release.ts";
import { Releases } from "../form/releases.ts";
import { readKept } from "../form/kept.ts";
import { fromBytes, readMessage, toBytes } from "../form/text.ts";
import { type FailedTraces, readFailed } from "../operations/read-failed.ts";
import { readMembers } from "../operations/read-registry.ts";
import type { ClusterSettings } from "../worker/settings.ts";
import type { ClusterCallOptions, ClusterOutcome, ClusterStreamItem, FlowRef, TraceReadOptions } from "./call.ts";
import { ClusterFlow } from "./cluster-flow.ts";
import { notAccepted, pausedOutcome, unknown } from "./ends.ts";
import { type ClusterPause, type Heard, heardFrom, heardFromResult } from "./pending.ts";
import { StreamRuns } from "./stream-runs.ts";
import { ToldResults } from "./told-results.ts";

/** Figures for an autoscaler. */
export interface ClusterLoad {
  /** Items that wait in intakes. */
  readonly backlog: number;
  readonly inFlight: number;
  /** Traces that end each second. */
  readonly endedPerSecond: number;
  /** Members that run the flow, in any version asked for. */
  readonly members: number;
  /** Members that are wanted. */
  readonly wanted: number;
}

interface Listener {
  /** That of the version which the id belongs to, as far as it is known. */
  deployment: Deployment;
  readonly tenant: string;
  readonly id: string;
  /** The call that listens. */
  readonly call?: Called | undefined;
  readonly hear: (heard: Heard) => void;
  readonly since: number;
}

/** A call, by its nonce and the digest of its input. */
type Called = Pick<CallCommand, "nonce" | "digest">;

/** The pause that was answered, and the command that did it. */
interface Answered {
  readonly token: string;
  readonly nonce: string;
}

/** A command that is ready to be sent, and the trace that its answer is about. */
interface Sending {
  readonly deployment: Deployment;
  readonly tenant: string;
  readonly id: string;
  readonly call?: Called | undefined;
  readonly send: (refuse: (error: unknown) => void) => Promise<void>;
  readonly answered?: Answered | undefined;
}

interface OrderOptions {
  /** @defaultValue that of the trace */
  readonly partition?: string;
  /** @defaultValue that of commands */
  readonly lane?: number;
  readonly nonce?: string;
  /** Called when a command that was carried out turns out to be refused. The caller removes its answer. */
  readonly refuse?: (error: unknown) => void;
}

/** Fate of an answer to a pause that does not fit. */
type Unfit = Required<Pick<OrderOptions, "nonce" | "refuse">>;

/** A command whose answer is awaited. */
interface Sent {
  /** Key of the result that is looked for: its answer, or that this one did not fit. */
  readonly key: ResultKey;
  readonly since: number;
  readonly settle: (answer: Answer, stored: ResultRevision | undefined) => void;
  readonly reject: (error: unknown) => void;
  /** Returns the partition of a version that it was given to. */
  readonly partitionIn: (version: string) => string;
  /** Result that is forgotten once the wait ends: the owner needs it until the answer to a pause has proved to fit. */
  readonly accepted?: ResultRevision | undefined;
}

const OFFERS_AT_ONCE = 500;
const LOOKUPS_AT_ONCE = 500;
/** Milliseconds after which a client looks for results that it was not told. */
const POLL_MS = 1_000;
/** Milliseconds between two tries of an offer whose fate is unknown, and the number of tries. */
const RETRY_MS = 250;
const OFFER_TRIES = 20;

/** A caller of the flows of a cluster. Made by `cluster(…).client()`. */
export class Client implements AsyncDisposable {
  readonly #settings: ClusterSettings;
  readonly #inbox: string;
  readonly #listeners = new Map<string, Set<Listener>>();
  /** Commands by their nonces. */
  readonly #sent = new Map<string, Sent>();
  readonly #toldResults: ToldResults;
  readonly #offers: Gatherer<Offer, "stored" | "duplicate" | "full">;
  readonly #inboxSubscription: Disposable;
  /** Ends the wait for the next look for results; present while a caller waits for one. */
  #cancelPoll: (() => void) | undefined;
  #looking: Promise<void> | undefined;
  #count = 0;
  #isClosed = false;
  readonly #releases: Releases;
  /** Resolves once the releases are known. */
  #following: Promise<void> | undefined;
  #knowsReleases = false;
  readonly #closing = new AbortController();

  /** Internal: call `cluster(…).client()`. */
  constructor(settings: object) {
    this.#settings = settings as ClusterSettings;
    const { backend, machine } = this.#settings;
    this.#inbox = `inbox-${machine.newId(12)}`;
    this.#releases = new Releases(this.#settings);
    this.#toldResults = new ToldResults(backend.results);
    this.#offers = new Gatherer(machine.scheduler, OFFERS_AT_ONCE, (offers) => backend.intake.offer(offers));
    this.#inboxSubscription = backend.wire.subscribe(this.#inbox, (body) => this.#receive(body));
  }

  /** Makes a flow of the cluster for a server of flows, such as `A2AServerAdapter`. */
  flow<Input, Result>(flow: FlowRef<Input, Result>): ClusterFlow<Input, Result> {
    return new ClusterFlow(this, flow, this.#settings);
  }

  /**
   * Sends a message and resolves with its first result.
   *
   * @throws FlowError `NOT_ACCEPTED` when nothing was stored: send it again; `OUTCOME_UNKNOWN` when the deadline passed
   *   after it was stored: ask again with the same id; else the reason why the trace did not complete
   */
  async call<Input, Result>(
    flow: FlowRef<Input, Result>,
    input: NoInfer<Input>,
    options: ClusterCallOptions = {},
  ): Promise<Result> {
    const outcome = await this.outcome(flow, input, options);
    if (outcome.status === "completed") return outcome.result;
    throw outcome.error;
  }

  /** Does the same as {@link Client.call}, and resolves with how the trace ended, or with its pauses. */
  async outcome<Input, Result>(
    flow: FlowRef<Input, Result>,
    input: NoInfer<Input>,
    options: ClusterCallOptions = {},
  ): Promise<ClusterOutcome<Result>> {
    return await this.#await<Result>(await this.#calling(flow, input, options), options);
  }

  /**
   * Sends a message and yields chunks and pauses as they come, then the results. A reader that leaves the loop leaves
   * the trace running.
   *
   * @throws FlowError as {@link Client.call}, at the end of the iteration
   */
  stream<Input, Result>(
    flow: FlowRef<Input, Result>,
    input: NoInfer<Input>,
    options: ClusterCallOptions = {},
  ): TraceItems<ClusterStreamItem<Result>> {
    return this.#read<Result>(() => this.#calling(flow, input, options), options);
  }

  /**
   * Reads a trace that any client has begun: what is told from now on, then its results.
   *
   * @throws FlowError `TRACE_UNKNOWN` when the cluster has neither the trace nor its outcome; as {@link Client.call}, at
   *   the end of the iteration
   */
  follow<Result>(
    flow: FlowRef<never, Result>,
    id: string,
    options: TraceReadOptions = {},
  ): TraceItems<ClusterStreamItem<Result>> {
    const { tenant = "default" } = options;
    const found = async (): Promise<Sending> => {
      const chosen = await this.#deploymentOf(flow, tenant, id);
      // an owner knows what cannot be read now
      const deployment = await this.#boundDeployment(chosen, tenant, id).catch(() => chosen);
      return { deployment, tenant, id, send: () => this.#find(deployment, tenant, id) };
    };
    return this.#read<Result>(found, options);
  }

  /**
   * Cancels a trace, also one whose message was not read yet. Resolves once its result is stored: `cancelled`, or the
   * one it had before.
   */
  async cancel(
    flow: FlowRef<never, unknown>,
    id: string,
    options: { readonly tenant?: string | undefined; readonly reason?: string | undefined } = {},
  ): Promise<void> {
    const { tenant = "default", reason } = options;
    await this.#order(await this.#deploymentOf(flow, tenant, id), tenant, id, { kind: "cancel", reason });
  }

  /** The pauses of a trace that wait for an answer. */
  async pauses(
    flow: FlowRef<never, unknown>,
    id: string,
    options: { readonly tenant?: string | undefined } = {},
  ): Promise<readonly ClusterPause[]> {
    const { tenant = "default" } = options;
    const chosen = await this.#deploymentOf(flow, tenant, id);
    const heard = await this.#result(await this.#boundDeployment(chosen, tenant, id), tenant, id);
    return heard?.type === "pauses" ? heard.pauses : [];
  }

  /**
   * Answers a pause, and resolves with how its trace goes on.
   *
   * @param token - `token` of the pause
   * @throws FlowError `PAUSE_UNKNOWN`, `PAUSE_USED`, `PAUSE_EXPIRED`, `PAUSE_FOREIGN`; `RESUME_INVALID` when the value
   *   does not fit the pause's schema: the pause stays open then
   */
  async resume<Result>(
    flow: FlowRef<never, Result>,
    token: string,
    value: unknown,
    options: TraceReadOptions = {},
  ): Promise<ClusterOutcome<Result>> {
    return await this.#await<Result>(this.#answering(flow, token, value, options), options);
  }

  /**
   * Answers a pause, and yields what its trace does from then on, as {@link Client.stream} does.
   *
   * @throws FlowError what {@link Client.resume} throws; as {@link Client.call}, at the end of the iteration
   */
  resumeStream<Result>(
    flow: FlowRef<never, Result>,
    token: string,
    value: unknown,
    options: TraceReadOptions = {},
  ): TraceItems<ClusterStreamItem<Result>> {
    return this.#read<Result>(async () => this.#answering(flow, token, value, options), options);
  }

  /** Sends a signal into a running trace. Resolves when it is stored. */
  async signal(
    flow: FlowRef<never, unknown>,
    id: string,
    name: string,
    value: unknown,
    options: { readonly tenant?: string | undefined } = {},
  ): Promise<void> {
    const text = writeInput(value, "the signal", this.#settings.backend.limits.offerBytes);
    const { tenant = "default" } = options;
    await this.#order(await this.#deploymentOf(flow, tenant, id), tenant, id, { kind: "signal", name, value: text });
  }

  /**
   * Lists the traces of a flow that go on only when someone acts: those that have failed, and those that no longer fit
   * it. Each partition tells at most 200. Without a version of the flow, those of its active one.
   *
   * @param options - `tenant`: whose traces are meant, @defaultValue all; `timeoutMs`: how long partitions have to
   *   answer, @defaultValue 5000
   */
  async failed(
    flow: FlowRef<never, unknown>,
    options: { readonly tenant?: string | undefined; readonly timeoutMs?: number | undefined } = {},
  ): Promise<FailedTraces> {
    const { tenant, timeoutMs = 5_000 } = options;
    const [version = FIRST_VERSION] = await this.#liveVersions(flow);
    return await readFailed(this.#settings, this.#deployment(flow.name, version), { tenant, timeoutMs });
  }

  /** Tries a failed trace again, from the node at which it failed. Resolves when that is stored. */
  async retryFailed(flow: FlowRef<never, unknown>, id: string, options: { readonly tenant?: string | undefined } = {}) {
    const { tenant = "default" } = options;
    await this.#order(await this.#deploymentOf(flow, tenant, id), tenant, id, { kind: "retryFailed" });
  }

  /** Gives up a failed trace, and the outcome that is kept for its id. */
  async discard(flow: FlowRef<never, unknown>, id: string, options: { readonly tenant?: string | undefined } = {}) {
    const { tenant = "default" } = options;
    await this.#order(await this.#deploymentOf(flow, tenant, id), tenant, id, { kind: "discard" });
  }

  /**
   * Returns figures for an autoscaler.
   *
   * @param options - `target`: share of its time in which a member may be busy, @defaultValue 0.7; `clearWithinMs`:
   *   milliseconds in which the backlog is to be worked off, @defaultValue 60000
   */
  async load(
    flow: FlowRef<never, unknown>,
    options: { readonly target?: number | undefined; readonly clearWithinMs?: number | undefined } = {},
  ): Promise<ClusterLoad> {
    const { target = 0.7, clearWithinMs = 60_000 } = options;
    const { backend, name } = this.#settings;
    const versions = await this.#liveVersions(flow);
    const deployments = versions.map((version) => this.#deployment(flow.name, version));
    const waiting = await backend.intake.backlog(deployments.flatMap(partitionNames));
    const backlog = [...waiting.values()].reduce((sum, count) => sum + count, 0);
    const cards = [...(await readMembers(backend.registry, name)).values()];
    const groups = versions.map((version) => `${flow.name}@${version}`);
    const figures = cards.flatMap(({ figures: all }) => groups.flatMap((group) => all[group] ?? []));
    const sum = (pick: (one: (typeof figures)[number]) => number): number =>
      figures.reduce((total, one) => total + pick(one), 0);
    const busy = sum((one) => one.busy);
    const endedPerSecond = sum((one) => one.endedPerSecond);
    // without a trace that has ended, a waiting item counts as a tenth of a second of work
    const secondsEach = endedPerSecond === 0 ? 0.1 : busy / endedPerSecond;
    const wanted = Math.ceil((busy + (backlog * secondsEach * 1_000) / clearWithinMs) / target);
    const inFlight = sum((one) => one.inFlight);
    return {
      backlog,
      inFlight,
      endedPerSecond,
      members: cards.filter(({ figures: all }) => groups.some((group) => group in all)).length,
      wanted: Math.max(wanted, inFlight > 0 ? 1 : 0),
    };
  }

  /** Ends the client. Calls that wait reject with `OUTCOME_UNKNOWN`; their traces go on. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closing.abort();
    this.#cancelPoll?.();
    this.#inboxSubscription[Symbol.dispose]();
    for (const listeners of this.#listeners.values())
      for (const { hear, id, tenant } of listeners)
        hear({ type: "refused", error: unknown(id, tenant, "its client was closed") });
    for (const { reject } of this.#sent.values()) reject(unknown("", "", "its client was closed"));
    await this.#looking;
    // a result that stays is removed after its time: a worker drains all the same
    await this.#toldResults.remove().catch((error: unknown) => this.#warn(error));
  }

  #warn(error: unknown): void {
    this.#settings.logger.warn("results_not_read", { error: errorPayload(error) });
  }

  #deployment(flow: string, version: string): Deployment {
    const { name: app, partitions, lanes } = this.#settings;
    return { app, flow, version, partitions, lanes };
  }

  /** Chooses the version for a trace: the one that the flow or the id names, else a released one. */
  async #deploymentOf(flow: FlowRef<never, unknown>, tenant: string, id: string): Promise<Deployment> {
    const named = flow.version ?? versionOfId(id);
    if (named !== undefined) {
      requireVersion(named);
      // an id may be bound to another version than its caller names, which a look for its result finds out
      if (versionOfId(id) === undefined) this.#releaseOf(flow.name).catch(() => {});
      return this.#deployment(flow.name, named);
    }
    const release = await this.#releaseOf(flow.name);
    return this.#deployment(flow.name, release === undefined ? FIRST_VERSION : versionFor(release, tenant, id));
  }

  /** Returns the version that a trace belongs to: its id may be bound to another one than is chosen now. */
  async #boundDeployment(deployment: Deployment, tenant: string, id: string): Promise<Deployment> {
    if (versionOfId(id) !== undefined || (await this.#releaseOf(deployment.flow)) === undefined) return deployment;
    const [version = deployment.version] = await this.#versionsOf([{ deployment, tenant, id }]);
    return { ...deployment, version };
  }

  async #liveVersions({ name, version }: FlowRef<never, unknown>): Promise<readonly string[]> {
    if (version !== undefined) return [version];
    const release = await this.#releaseOf(name);
    return release === undefined ? [FIRST_VERSION] : versionsOf(release);
  }

  /** Returns the release of a flow. The first call begins to follow the releases. */
  async #releaseOf(flow: string): Promise<Release | undefined> {
    this.#following ??= this.#follow();
    if (!this.#knowsReleases) {
      const patience = sleep(this.#settings.machine.clock, OFFER_TRIES * RETRY_MS, this.#closing.signal);
      await Promise.race([this.#following, patience]);
    }
    if (!this.#knowsReleases)
      throw new FlowError({
        code: FlowErrorCode.NOT_ACCEPTED,
        message: `Cannot choose a version of flow "${flow}": the registry cannot be read; it is safe to try again`,
        retryable: true,
      });
    return this.#releases.of(flow);
  }

  async #follow(): Promise<void> {
    await this.#releases.watch(this.#closing.signal);
    this.#knowsReleases = true;
  }

  /** Prepares a call. */
  async #calling(flow: FlowRef<never, unknown>, input: unknown, options: ClusterCallOptions): Promise<Sending> {
    if (this.#isClosed) throw new TypeError("Cannot call: the client was closed");
    const { tenant = "default", id: given } = options;
    this.#count += 1;
    const count = this.#count;
    const deployment = await this.#deploymentOf(flow, tenant, given ?? `${this.#inbox}.${count}`);
    const id = given ?? generatedId(this.#inbox, count, deployment.version);
    // another call of the id is an offer of its own
    const nonce = `${this.#inbox}.${count}`;
    const command = this.#command(input, id, nonce, options);
    const send = (): Promise<void> => this.#send(deployment, laneOf(deployment, tenant), nonce, command);
    return { deployment, tenant, id, call: command, send };
  }

  #command(input: unknown, id: string, nonce: string, options: ClusterCallOptions): CallCommand {
    const { tenant = "default", keepMs = this.#settings.keepMs, meta, timeoutMs, deadlineAt } = options;
    const { offerBytes } = this.#settings.backend.limits;
    const now = this.#settings.machine.clock.epochNow();
    const limits = [deadlineAt, timeoutMs === undefined ? undefined : now + timeoutMs].filter((at) => at !== undefined);
    const { principal, topic, priority, exclusive, budget, to } = options;
    return {
      kind: "call",
      tenant,
      id,
      isGiven: options.id !== undefined,
      digest: digestOf(principal === undefined ? [input, topic, to] : [input, topic, to, principal]),
      payload: writeInput(input, "payload", offerBytes),
      meta: meta === undefined ? undefined : writeInput(meta, "meta", offerBytes),
      options: {
        principal,
        topic,
        priority,
        exclusive,
        budget,
        to: typeof to === "object" ? to.name : to,
        deadlineAt: limits.length === 0 ? undefined : Math.min(...limits),
      },
      inbox: this.#inbox,
      nonce,
      at: now,
      keepMs,
    };
  }

  /** Prepares the answer to a pause. */
  #answering(
    flow: FlowRef<never, unknown>,
    text: string,
    value: unknown,
    { tenant = "default" }: TraceReadOptions,
  ): Sending {
    const written = writeInput(value, "the answer", this.#settings.backend.limits.offerBytes);
    const { version, index, id, token } = readPauseToken(text, this.#settings.partitions);
    const deployment = this.#deployment(flow.name, version);
    const nonce = this.#nonce();
    const order = { kind: "resume", token, value: written } as const;
    const partition = partitionName(deployment, index);
    const send = (refuse: (error: unknown) => void): Promise<void> =>
      this.#order(deployment, tenant, id, order, { partition, nonce, refuse });
    return { deployment, tenant, id, send, answered: { token: text, nonce } };
  }

  /** Waits for the end of a trace, or for a pause other than the answered one. */
  #await<Result>(
    { deployment, tenant, id, call, send, answered }: Sending,
    options: Pick<ClusterCallOptions, "timeoutMs" | "deadlineAt" | "signal">,
  ): Promise<ClusterOutcome<Result>> {
    return new Promise((resolve, reject) => {
      // another's answer may have ended the trace: this one is accepted or refused by then, which its sender is told first
      let early: Heard[] | undefined = answered === undefined ? undefined : [];
      const hear = (heard: Heard): void => {
        if (heard.type === "chunk") return;
        if (early !== undefined && heard.type !== "refused") {
          early.push(heard);
          return;
        }
        if (heard.type === "pauses") {
          const pauses = heard.pauses.filter(({ token }) => token !== answered?.token);
          if (pauses.length === 0) return;
          settle(() => resolve(pausedOutcome<Result>(id, tenant, pauses)));
        } else if (heard.type === "refused") settle(() => reject(heard.error));
        else {
          const end = (): void => settle(() => resolve(heard.outcome as FinalOutcome<Result>));
          if (answered === undefined) end();
          else void this.#endIfFit(answered, end);
        }
      };
      const stop = this.#listen(
        { deployment, tenant, id, call, hear, since: this.#settings.machine.clock.now() },
        options,
        answered?.nonce,
      );
      const settle = (act: () => void): void => {
        stop();
        act();
      };
      const refuse = (error: unknown): void => settle(() => reject(error));
      const sent = (): void => {
        const waiting = early ?? [];
        early = undefined;
        for (const heard of waiting) hear(heard);
      };
      send(refuse).then(sent, refuse);
    });
  }

  /** Reads a trace until its end. */
  #read<Result>(
    sending: () => Promise<Sending>,
    options: Pick<ClusterCallOptions, "timeoutMs" | "deadlineAt" | "signal">,
  ): TraceItems<ClusterStreamItem<Result>> {
    let spent: Budget = {};
    const items = this.#items<Result>(sending, options, (outcome) => {
      ({ spent } = outcome);
    });
    return Object.defineProperty(items, "spent", { get: () => spent }) as TraceItems<ClusterStreamItem<Result>>;
  }

  async *#items<Result>(
    sending: () => Promise<Sending>,
    options: Pick<ClusterCallOptions, "timeoutMs" | "deadlineAt" | "signal">,
    ended: (outcome: FinalOutcome) => void,
  ): AsyncGenerator<ClusterStreamItem<Result>, void, undefined> {
    const { deployment, tenant, id, call, send, answered } = await sending();
    const queue: Heard[] = [];
    const runs = new StreamRuns();
    let wake: (() => void) | undefined;
    const hear = (heard: Heard): void => {
      queue.push(heard);
      wake?.();
    };
    const told = new Set<string>(answered === undefined ? [] : [answered.token]);
    const stop = this.#listen({ deployment, tenant, id, call, hear, since: 0 }, options, answered?.nonce);
    try {
      this.#attach(deployment, tenant, id);
      const refuse = (error: unknown): void => hear({ type: "refused", error: error as Error });
      const sent = send(refuse).catch(refuse);
      for (;;) {
        const heard = queue.shift();
        if (heard === undefined) {
          await new Promise<void>((resolve) => (wake = resolve));
          continue;
        }
        if (heard.type === "chunk") {
          const chunk = runs.numbered(heard.chunk, heard.epoch);
          if (chunk !== undefined) yield { type: "chunk", chunk };
        } else if (heard.type === "pauses") {
          for (const pause of heard.pauses) if (!told.has(pause.token)) yield { type: "pause", pause };
          for (const { token } of heard.pauses) told.add(token);
        } else if (heard.type === "refused") throw heard.error;
        else {
          if (answered !== undefined) {
            await sent;
            // its refusal is heard next
            if (!(await this.#whenFit(answered))) continue;
          }
          const outcome = heard.outcome as FinalOutcome<Result>;
          ended(outcome);
          for (const message of outcome.messages) yield { type: "result", result: message.payload, message };
          if (outcome.status !== "completed") throw outcome.error;
          return;
        }
      }
    } finally {
      stop();
    }
  }

  /** Registers a listener. Returns the function that ends it. */
  #listen(
    listener: Listener,
    options: Pick<ClusterCallOptions, "timeoutMs" | "deadlineAt" | "signal">,
    nonce?: string,
  ): () => void {
    const { deployment, tenant, id, hear } = listener;
    const key = listenersKey(deployment.flow, tenant, id);
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners);
    listeners.add(listener);
    this.#pollSoon();
    const { clock } = this.#settings.machine;
    const { timeoutMs = Infinity, deadlineAt = Infinity, signal } = options;
    const leftMs = Math.min(timeoutMs, deadlineAt - clock.epochNow());
    const giveUp = (why: string) => (): void => hear({ type: "refused", error: unknown(id, tenant, why) });
    const late = giveUp("its deadline passed");
    // the owner's own outcome at the deadline comes first, where it comes at all
    const cancelTimer = leftMs === Infinity ? undefined : clock.setTimer(late, leftMs + 2 * POLL_MS);
    const aborted = (): void => hear({ type: "refused", error: signal?.reason as Error });
    signal?.addEventListener("abort", aborted, { once: true });
    if (signal?.aborted === true) queueMicrotask(aborted);
    return () => {
      cancelTimer?.();
      signal?.removeEventListener("abort", aborted);
      if (nonce !== undefined) {
        this.#toldResults.told(this.#sent.get(nonce)?.accepted);
        this.#sent.delete(nonce);
      }
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(key);
    };
  }

  /**
   * Stores a command in the intake of a partition, again and again where its fate is unknown. The result of one that was
   * offered again is not forgotten: the owner needs it, should the first offer come late.
   */
  async #send(deployment: Deployment, lane: number, key: string, command: Command, name?: string): Promise<void> {
    const partition = name ?? partitionOf(deployment, command.tenant, command.id);
    let body = toBytes(command);
    const { offerBytes } = this.#settings.backend.limits;
    if (body.length > offerBytes)
      throw notAccepted(command, `it has ${body.length} bytes, and at most ${offerBytes} are allowed`);
    for (let tries = 1; ; tries += 1) {
      try {
        const answer = await this.#offers.add({ partition, lane, key, body });
        if (answer !== "full") return;
      } catch (error) {
        if (tries >= OFFER_TRIES) throw unknown(command.id, command.tenant, errorPayload(error).message, error);
        await sleep(this.#settings.machine.clock, RETRY_MS);
        // its outcome was told without the answer to its offer
        if (!this.#isAwaited(command, deployment)) return;
        if (command.kind === "call") body = toBytes({ ...command, isRepeated: true });
        this.#toldResults.repeated(command.nonce);
        if (command.kind === "call") {
          this.#toldResults.repeated(refusedIdOf(command.nonce));
          if (command.id.startsWith(this.#inbox)) this.#toldResults.repeated(command.id);
        }
        continue;
      }
      const why = `the intake of partition "${partition}" is full`;
      // an earlier try may have been stored, and taken since
      throw tries === 1 ? notAccepted(command, why) : unknown(command.id, command.tenant, why);
    }
  }

  #isAwaited(command: Command, { flow }: Deployment): boolean {
    if (command.kind !== "call") return this.#sent.has(command.nonce);
    return this.#listeners.has(listenersKey(flow, command.tenant, command.id));
  }

  /** Sends an order for a trace and waits until it was carried out. */
  async #order(
    deployment: Deployment,
    tenant: string,
    id: string,
    order: DistributiveOmit<Exclude<Command, { kind: "call" }>, "tenant" | "id" | "inbox" | "nonce" | "at">,
    options: OrderOptions = {},
  ): Promise<void> {
    const { lane = COMMAND_LANE, nonce = this.#nonce(), refuse } = options;
    const { partition = partitionOf(deployment, tenant, id) } = options;
    const { promise, resolve, reject } = Promise.withResolvers<ResultRevision | undefined>();
    // the answer may come before the offer's, while nothing awaits it yet
    promise.catch(() => {});
    const key = { partition, tenant, id: nonce };
    const settle = (answer: Answer, stored: ResultRevision | undefined): void => {
      this.#sent.delete(nonce);
      if ((answer.kind === "undone" || refuse === undefined) && stored?.key.id === nonce)
        this.#toldResults.told(stored);
      if (answer.kind === "done") resolve(stored);
      else reject(readError(answer.error));
    };
    const since = this.#settings.machine.clock.now();
    const partitionIn = (version: string): string => partitionOf({ ...deployment, version }, tenant, id);
    this.#sent.set(nonce, { key, since, settle, reject, partitionIn });
    this.#pollSoon();
    try {
      const at = this.#settings.machine.clock.epochNow();
      const command = { ...order, tenant, id, inbox: this.#inbox, nonce, at } as Command;
      await this.#send(deployment, lane, nonce, command, partition);
      const accepted = await promise;
      // whether an answer fits is known only once its handler has it
      if (refuse !== undefined)
        this.#awaitFit({ ...key, id: unfitIdOf(nonce) }, { nonce, accepted, refuse, partitionIn });
    } catch (error) {
      this.#sent.delete(nonce);
      throw error;
    }
  }

  /** Waits whether an accepted answer to a pause does not fit, until the wait for its trace ends. */
  #awaitFit(
    key: ResultKey,
    { nonce, accepted, refuse, partitionIn }: Pick<Sent, "accepted" | "partitionIn"> & Unfit,
  ): void {
    const settle = (answer: Answer): void => {
      if (answer.kind === "done") return;
      // both results stay: the command, if it is carried out again, must not answer the pause again
      this.#sent.delete(nonce);
      refuse(readError(answer.error));
    };
    const since = this.#settings.machine.clock.now();
    this.#sent.set(nonce, { key, since, settle, reject: refuse, partitionIn, accepted });
  }

  /**
   * Resolves with whether an answer to a pause did fit, once its trace has ended: another's answer may have ended it. If it
   * did not, its sender is told.
   */
  async #whenFit(answered: Answered): Promise<boolean> {
    for (let tries = 1; ; tries += 1) {
      const sent = this.#sent.get(answered.nonce);
      if (sent === undefined) return false;
      try {
        const [record] = await this.#settings.backend.results.get([sent.key], "latest");
        if (record === undefined) return true;
        sent.settle(fromBytes<Answer>(record.body), undefined);
        return false;
      } catch {
        // an unknown fate leaves the outcome of the trace, which counts
        if (tries === OFFER_TRIES) return true;
        await sleep(this.#settings.machine.clock, RETRY_MS, this.#closing.signal);
      }
    }
  }

  async #endIfFit(answered: Answered, end: () => void): Promise<void> {
    if (await this.#whenFit(answered)) end();
  }

  #nonce(): string {
    this.#count += 1;
    return `${this.#inbox}.${this.#count}`;
  }

  /** Looks for a trace. @throws FlowError `TRACE_UNKNOWN` */
  async #find(deployment: Deployment, tenant: string, id: string): Promise<void> {
    // the owner knows what cannot be read now
    const heard = await this.#result(deployment, tenant, id).catch(() => undefined);
    if (heard !== undefined)
      this.#hear(this.#listeners.get(listenersKey(deployment.flow, tenant, id)) ?? new Set(), heard);
    // behind the message in its lane, so that one that is still to be read is not missed
    else await this.#order(deployment, tenant, id, { kind: "find" }, { lane: laneOf(deployment, tenant) });
  }

  async #result(deployment: Deployment, tenant: string, id: string): Promise<Heard | undefined> {
    const partition = partitionOf(deployment, tenant, id);
    const [result] = await this.#settings.backend.results.get([{ partition, tenant, id }], "latest");
    return result === undefined ? undefined : heardFromResult(readKept<ResultBody>(result), id);
  }

  #receive(body: Uint8Array): void {
    const note = readMessage<Note>(body);
    if (note === undefined) return;
    if (note.kind === "done" || note.kind === "undone") this.#sent.get(note.nonce)?.settle(note, note.stored);
    const heard = heardFrom(note);
    if (heard === undefined) return;
    if (note.kind === "refused") this.#toldResults.told(note.stored);
    const listeners = this.#listeners.get(listenersKey(note.flow, note.tenant, note.id));
    if (listeners !== undefined) this.#hear(listeners, heard);
  }

  #hear(listeners: ReadonlySet<Listener>, heard: Heard): void {
    for (const { hear, deployment, tenant, id, call } of [...listeners]) {
      if (heard.type === "refused" && heard.nonce !== call?.nonce) continue;
      // its own refusal may be lost, or still to come
      if ("digest" in heard && differs(heard.digest, call?.digest)) {
        hear({ type: "refused", error: idConflict(tenant, id) });
        continue;
      }
      hear(heard);
      if (heard.type === "outcome" && id.startsWith(this.#inbox))
        if (heard.revision !== undefined)
          this.#toldResults.told({
            key: { partition: partitionOf(deployment, tenant, id), tenant, id },
            revision: heard.revision,
          });
    }
  }

  #attach(deployment: Deployment, tenant: string, id: string): void {
    const attach: Attach = { tenant, id, inbox: this.#inbox };
    const partition = partitionOf(deployment, tenant, id);
    this.#settings.backend.wire.publish(ownerSubject(partition), toBytes(attach));
  }

  /** Looks for results every second while a caller waits. */
  #pollSoon(): void {
    if (this.#isClosed || this.#looking !== undefined) return;
    this.#cancelPoll ??= this.#settings.machine.clock.setTimer(() => {
      this.#cancelPoll = undefined;
      this.#looking = this.#look()
        .catch((error: unknown) => this.#warn(error))
        .finally(() => {
          this.#looking = undefined;
          if (this.#listeners.size + this.#toldResults.size + this.#sent.size > 0) this.#pollSoon();
        });
    }, POLL_MS);
  }

  /** Looks for results that this client was not told. */
  async #look(): Promise<void> {
    await this.#toldResults.remove();
    const old = this.#settings.machine.clock.now() - POLL_MS;
    await this.#lookForAnswers(old);
    const waiting = [...this.#listeners.values()].map((listeners) => [...listeners].filter(({ since }) => since < old));
    const calls = waiting.flat().filter(({ call }) => call !== undefined);
    for (let from = 0; from < calls.length; from += LOOKUPS_AT_ONCE)
      await this.#lookForRefusals(calls.slice(from, from + LOOKUPS_AT_ONCE));
    const due = waiting.flatMap((listeners) => listeners.slice(0, 1));
    for (let from = 0; from < due.length; from += LOOKUPS_AT_ONCE)
      await this.#lookFor(due.slice(from, from + LOOKUPS_AT_ONCE));
  }

  /** Looks for the refusals of calls. */
  async #lookForRefusals(calls: readonly Listener[]): Promise<void> {
    const { results } = this.#settings.backend;
    const keys = calls.map(({ deployment, tenant, id, call }): ResultKey => {
      return { partition: partitionOf(deployment, tenant, id), tenant, id: refusedIdOf(call!.nonce) };
    });
    for (const [index, found] of (await results.get(keys, "eventual")).entries()) {
      if (found === undefined) continue;
      const { hear } = calls[index]!;
      this.#toldResults.told({ key: keys[index]!, revision: found.revision });
      hear({ type: "refused", error: readError(fromBytes<RefusalBody>(found.body).error) });
    }
  }

  /** Looks for the results of listeners, one of each trace. */
  async #lookFor(due: readonly Listener[]): Promise<void> {
    const { results } = this.#settings.backend;
    const found = await results.get(
      due.map(({ deployment, tenant, id }) => ({ partition: partitionOf(deployment, tenant, id), tenant, id })),
      "latest",
    );
    const missing: Listener[] = [];
    for (const [index, listener] of due.entries()) {
      const { deployment, tenant, id } = listener;
      const result = found[index];
      const listeners = this.#listeners.get(listenersKey(deployment.flow, tenant, id));
      if (result !== undefined && listeners !== undefined)
        this.#hear(listeners, heardFromResult(readKept<ResultBody>(result), id));
      else missing.push(listener);
    }
    const movable = missing.filter(({ deployment, id }) => this.#mayBelongElsewhere(deployment.flow, id));
    const versions = await this.#versionsOf(movable);
    for (const [index, { deployment, tenant, id }] of movable.entries()) {
      const version = versions[index];
      const listeners = this.#listeners.get(listenersKey(deployment.flow, tenant, id));
      if (version === undefined || version === deployment.version || listeners === undefined) continue;
      for (const listener of listeners) listener.deployment = { ...deployment, version };
    }
    for (const { deployment, tenant, id } of missing) this.#attach(deployment, tenant, id);
  }

  /** Whether an id may be bound to another version than the one that was chosen for it. */
  #mayBelongElsewhere(flow: string, id: string): boolean {
    return this.#releases.of(flow) !== undefined && versionOfId(id) === undefined;
  }

  /** Returns the versions in which ids ended before ids were bound, else those that they are bound to. */
  async #versionsOf(
    traces: readonly Pick<Listener, "deployment" | "tenant" | "id">[],
  ): Promise<readonly (string | undefined)[]> {
    if (traces.length === 0) return [];
    const { backend, machine } = this.#settings;
    const now = machine.clock.epochNow();
    const places = traces.map(({ deployment, tenant, id }) => {
      const early = earlyVersions(this.#releases.of(deployment.flow), now);
      const ofEarly = early.map((version) => ({
        partition: partitionOf({ ...deployment, version }, tenant, id),
        tenant,
        id,
      }));
      return { early, keys: [bindingKey(deployment, tenant, id), ...ofEarly] };
    });
    const records = [
      ...(await backend.results.get(
        places.flatMap(({ keys }) => keys),
        "latest",
      )),
    ];
    return places.map(({ early, keys }) => {
      const [binding, ...results] = records.splice(0, keys.length);
      const ended = early.find((_, index) => results[index]?.isFinal === true);
      return ended ?? (binding && fromBytes<BindingBody>(binding.body).version);
    });
  }

  /** Looks for answers to commands that this client was not told. */
  async #lookForAnswers(old: number): Promise<void> {
    const due = [...this.#sent].filter(([, { since }]) => since < old).slice(0, LOOKUPS_AT_ONCE);
    if (due.length === 0) return;
    const records = await this.#settings.backend.results.get(
      due.map(([, { key }]) => key),
      "latest",
    );
    for (const [index, [nonce, sent]] of due.entries()) {
      const found = records[index];
      // another answer may have come meanwhile
      if (found === undefined || this.#sent.get(nonce) !== sent) continue;
      const record = fromBytes<CommandRecord>(found.body);
      if (record.kind !== "moved") sent.settle(record, { key: sent.key, revision: found.revision });
      else this.#sent.set(nonce, { ...sent, key: { ...sent.key, partition: sent.partitionIn(record.version) } });
    }
  }
}

type DistributiveOmit<Union, Keys extends PropertyKey> = Union extends unknown ? Omit<Union, Keys> : never;

const listenersKey = (flow: string, tenant: string, id: string): string => `${flow}\u0000${tenant}\u0000${id}`;
