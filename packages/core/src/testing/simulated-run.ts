import { FlowError } from "../foundation/flow-error.ts";
import { type Random, seededRandom } from "../foundation/random.ts";
import type { FlowEvent } from "../events/flow-event.ts";
import type { Logger } from "../events/logger.ts";
import { ROOKERY } from "../graph/endpoints.ts";
import type { Graph, SomeNode, Vertex } from "../graph/graph.ts";
import type { Context } from "../graph/handler.ts";
import { wrapHandler } from "../graph/node.ts";
import { MemoryStateStore } from "../memory/memory-state-store.ts";
import { WM } from "../message/controller.ts";
import { Message } from "../message/message.ts";
import type { FinalOutcome } from "../message/outcome.ts";
import type { BusEnvelope } from "../ports/message-bus.ts";
import type { TraceRecord } from "../ports/trace-recorder.ts";
import type { Attempt } from "../runtime/attempt.ts";
import type { Flow } from "../runtime/flow.ts";
import { placeOf } from "../runtime/reporter.ts";
import { type Fault, suffer } from "./fault.ts";
import { faultyMessageBus, faultyRemoteTransport, faultyStateStore } from "./faulty-adapters.ts";
import { brokenLaws, type LawShape, lineOf } from "./record-laws.ts";
import { describeStats } from "./run-one.ts";
import { SeededSchedule } from "./seeded-schedule.ts";
import type { SimulatedRequest, SimulateOptions, SimulationPorts, SimulationTools } from "./simulate.ts";
import { brokenBounds, brokenEnd } from "./stats-laws.ts";
import { brokenTurns } from "./turn-laws.ts";

type AnyFlow = Flow<unknown, unknown>;
type AnyOptions = SimulateOptions<unknown, unknown>;

/** What of a run is decided before it begins. */
interface Setting {
  readonly seed: number;
  readonly requests: number;
  readonly faults: boolean;
}

const TENANTS = ["tenant-1", "tenant-2", "tenant-3"] as const;

/** How often a kind of fault happens in a run that has it. In most runs most kinds do not happen at all. */
const RATES = [0, 0, 0, 0.03, 0.1, 0.3] as const;

const DELAYS_MS = [1, 7, 40, 250, 2_000] as const;

/** One request on its way. */
interface Request {
  readonly message: Message;
  readonly tenant: string;
  readonly traceId: string;
}

/** One run of a user's flow under a seed, and what it showed. */
export class SimulatedRun {
  /** Which laws were broken, one line each. */
  readonly broken: string[] = [];
  readonly outcomes = new Map<string, number>();
  /** How many faults of which kind there were. */
  readonly faults = new Map<string, number>();
  /** What nodes and edges held when something was seen to be broken. */
  held = "";
  readonly #options: AnyOptions;
  readonly #setting: Setting;
  readonly #schedule: SeededSchedule;
  readonly #flow: AnyFlow;
  readonly #random: Random;
  readonly #rates = new Map<string, number>();
  readonly #records: TraceRecord[] = [];
  readonly #envelopes: BusEnvelope[] = [];
  readonly #events: FlowEvent[] = [];
  readonly #requests: Request[] = [];
  readonly #waits = new Set<string>();
  /** Attempts that have said themselves where a message goes. */
  readonly #choosers = new Set<string>();
  #isStopped = false;

  static async play(options: AnyOptions, setting: Setting): Promise<SimulatedRun> {
    const run = new SimulatedRun(options, setting);
    const restores = run.#flow.graph.vertices.map(({ node }) =>
      wrapHandler(node, (_input, ctx, call) => run.#handle(node, ctx, call)),
    );
    try {
      await run.#play();
    } finally {
      for (const restore of restores) restore();
    }
    return run;
  }

  private constructor(options: AnyOptions, setting: Setting) {
    this.#options = options;
    this.#setting = setting;
    this.#random = this.#stream("callers");
    this.#schedule = new SeededSchedule(this.#stream("schedule"));
    this.#flow = options.flow(this.#ports(), this.#tools());
  }

  get records(): readonly string[] {
    return this.#records.map(lineOf);
  }

  /** How many requests there were. */
  get requests(): number {
    return this.#requests.length;
  }

  /** How often a handler was called. */
  get attempts(): number {
    return this.#records.filter(({ type }) => type === "started").length;
  }

  async #play(): Promise<void> {
    const flow = this.#flow;
    flow.run({ resources: this.#options.resources });
    this.#plan();
    await this.#playOn();
    if (this.#records.length === 0)
      throw new TypeError('Option "flow" of simulate must pass its ports on: create(…, { ...ports })');
    this.#watch("flush", flow.flush());
    await this.#playOn();
    for (const what of this.#waits)
      this.broken.push(`L2: ${what} has not settled; a handler may wait for what is not of its ctx or the ports`);
    if (this.#waits.size === 0) this.broken.push(...brokenEnd(flow.stats()));
    if (this.broken.length > 0) this.#look();
    this.#isStopped = true;
    this.#watch("stop", flow.stop());
    await this.#playOn();
    for (const what of this.#waits) this.broken.push(`L2: ${what} has not settled though the flow was stopped`);
    this.#checkRecords();
    this.#checkTenants();
    if (this.broken.length === 0) await this.#checkByUser();
  }

  /** Random numbers of the seed for one purpose, so that one more draw here changes nothing there. */
  #stream(purpose: string): Random {
    return seededRandom(hashOf(`${this.#setting.seed} ${purpose}`));
  }

  /** Whether a fault of a kind happens now. Which kinds a run has, and how often, is the seed's affair. */
  #happens(kind: string, random: Random): boolean {
    if (!this.#setting.faults) return false;
    let rate = this.#rates.get(kind);
    if (rate === undefined) this.#rates.set(kind, (rate = oneOf(RATES, this.#stream(`rate of ${kind}`))));
    if (random() >= rate) return false;
    this.#count(kind);
    return true;
  }

  #count(kind: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }

  #ports(): SimulationPorts {
    const mood = this.#stream("observers");
    return {
      clock: this.#schedule.clock,
      random: this.#stream("flow"),
      scheduler: this.#schedule,
      recorder: (record) => void this.#records.push(record),
      middlewares: [
        (event) => void this.#events.push(event),
        () => {
          if (this.#happens("an observer throws", mood)) throw new Error("Simulated fault: an observer throws");
        },
      ],
      stateStore: faultyStateStore(new MemoryStateStore(), this.#faulty("store")),
      messageBus: faultyMessageBus(
        { publish: async (batch) => void this.#envelopes.push(...batch) },
        this.#faulty("bus"),
      ),
      logger: SILENT,
    };
  }

  #tools(): SimulationTools {
    return {
      seed: this.#setting.seed,
      random: this.#stream("tools"),
      faulty: (transport) => faultyRemoteTransport(transport, this.#faulty("transport")),
    };
  }

  #faulty(adapter: string) {
    const rate = this.#setting.faults ? oneOf(RATES, this.#stream(`rate of ${adapter}`)) : 0;
    return {
      random: this.#stream(adapter),
      rate,
      clock: this.#schedule.clock,
      onFault: (fault: string) => this.#count(`a call of a ${adapter} is ${fault}`),
    };
  }

  /** Draws the requests and when they come. */
  #plan(): void {
    const count = 1 + Math.floor(this.#random() * this.#setting.requests);
    const inputs = this.#stream("inputs");
    for (let index = 0; index < count; index += 1) {
      const input = this.#options.input(inputs, index);
      const given = input instanceof Message ? (input as Message) : undefined;
      const tenant = given?.headers.tenant ?? oneOf(TENANTS, this.#random);
      const last = this.#requests.at(-1);
      // tenants may choose the same id
      const isShared = last !== undefined && last.tenant !== tenant && this.#random() < 0.2;
      const traceId = isShared ? last.traceId : `request-${index + 1}`;
      const delayMs = this.#happens("a caller sets a deadline", this.#random)
        ? oneOf(DELAYS_MS, this.#random)
        : undefined;
      const message = new Message({
        payload: given === undefined ? input : given.payload,
        headers: given?.headers ?? { tenant },
        traceId,
        createdAt: this.#schedule.clock.epochNow(),
        deadlineAt: delayMs === undefined ? given?.deadlineAt : this.#schedule.clock.epochNow() + delayMs,
        meta: given?.meta,
      });
      const request = { message, tenant, traceId };
      this.#requests.push(request);
      this.#schedule.move(() => this.#begin(request));
    }
  }

  #begin(request: Request): void {
    const { message, tenant, traceId } = request;
    const flow = this.#flow;
    const abort = new AbortController();
    const what = `request "${traceId}" of ${tenant}`;
    if (this.#happens("a caller aborts", this.#random))
      this.#schedule.move(() => abort.abort(new Error("The caller has left")));
    if (this.#happens("a caller cancels", this.#random))
      this.#schedule.move(() => {
        if (!this.#isStopped) this.#watch(`cancel of ${what}`, flow.cancel(traceId, { tenant }));
      });
    // a join of an emitted trace waits for further messages
    const mayEmit = flow.graph.vertices.every(({ node }) => node.gathering === undefined);
    const kind = this.#random();
    const options = { signal: abort.signal };
    if (kind < 0.4) this.#watch(what, flow.outcome(message, options));
    else if (kind < 0.6 || (!mayEmit && kind >= 0.85)) this.#watch(what, flow.call(message, options));
    else if (kind < 0.85) this.#watch(what, this.#read(request, options));
    else this.#watch(what, this.#emit(request, options));
  }

  /** Reads a stream, at the reader's leisure, and now and then not to its end. */
  async #read({ message, traceId }: Request, options: { readonly signal: AbortSignal }): Promise<void> {
    const leaves = this.#happens("a reader leaves", this.#random);
    const onLeave = this.#random() < 0.5 ? "cancel" : "detach";
    for await (const item of this.#flow.stream(message, { ...options, onLeave })) {
      const { traceId: from } = item.type === "chunk" ? item.chunk : item.message;
      if (from !== traceId) this.broken.push(`L11: the stream of "${traceId}" has an item of "${from}"`);
      if (leaves) return;
      await new Promise<void>((resolve) => this.#schedule.move(resolve));
    }
  }

  /** Emits a message and fetches until there is no more. */
  async #emit({ message, tenant, traceId }: Request, options: { readonly signal: AbortSignal }): Promise<void> {
    await this.#flow.emit(message, options);
    for (;;) {
      const item = await this.#flow.fetch({ traceId, tenant });
      if (item instanceof Message && item.headers.tenant !== tenant)
        this.broken.push(`L11: ${tenant} fetched a result of ${item.headers.tenant}`);
    }
  }

  /** A handler as it is called: with what goes wrong in it, and with an eye on where its messages go. */
  #handle(node: SomeNode, ctx: Context, call: () => unknown): unknown {
    this.#noteChoices(ctx);
    const random = this.#stream(`${node.name} ${ctx.idempotencyKey} ${ctx.attempt}`);
    const fault = this.#faultOf(node, ctx, random);
    return fault === undefined ? call() : suffer(fault, ctx, call);
  }

  #faultOf(node: SomeNode, ctx: Context, random: Random): Fault | undefined {
    const error = new Error(`Simulated fault at node "${node.name}"`);
    if (this.#happens("a handler throws", random)) return { type: "throw", error };
    if (this.#happens("a handler throws when its work is done", random)) return { type: "throwAfter", error };
    if (this.#happens("a handler is slow", random)) return { type: "slow", byMs: oneOf(DELAYS_MS, random) };
    // somebody must tell it to stop
    if (node.policy.timeoutMs === undefined && ctx.deadlineAt === undefined) return undefined;
    if (this.#happens("a handler hangs", random)) return { type: "hang" };
    if (this.#happens("a handler returns too late", random)) return { type: "late" };
    return undefined;
  }

  #noteChoices(ctx: Context): void {
    const attempt = ctx as unknown as Attempt;
    const own = { emit: ctx.emit.bind(ctx), emitNowait: ctx.emitNowait.bind(ctx), emitChunk: ctx.emitChunk.bind(ctx) };
    const note = (to: unknown): void => {
      if (to === undefined) return;
      const { run, lineage } = placeOf(attempt);
      this.#choosers.add(`${run} ${lineage}`);
    };
    const noting: typeof own = {
      emit(value, target) {
        note(target?.to);
        return own.emit(value, target);
      },
      emitNowait(value, target) {
        note(target?.to);
        own.emitNowait(value, target);
      },
      emitChunk(chunk) {
        note(chunk.to);
        return own.emitChunk(chunk);
      },
    };
    Object.assign(ctx, noting);
  }

  async #playOn(): Promise<void> {
    const didEnd = await this.#schedule.playOn(() => {
      if (this.#isStopped) return;
      this.broken.push(...brokenBounds(this.#flow.graph, this.#flow.stats()));
      if (this.broken.length > 0) this.#look();
    });
    if (!didEnd) this.broken.push("L2: the run goes on and on");
    if (this.broken.length > 0) this.#look();
  }

  /** Remembers what nodes and edges hold, the first time something is amiss. */
  #look(): void {
    if (this.held === "" && this.#flow.isRunning) this.held = describeStats(this.#flow.stats());
  }

  /** Remembers that somebody waits, and notices when it is over. */
  #watch(what: string, wait: Promise<unknown>): void {
    this.#waits.add(what);
    wait
      .catch((error: unknown) => {
        if (!(error instanceof FlowError)) this.broken.push(`L2: ${what} failed with ${String(error)}`);
      })
      .finally(() => this.#waits.delete(what));
  }

  /** The run of each request: the first of its id and tenant; later ones are those of its playbooks. */
  #runs(): Map<string, Request> {
    const first = new Map<string, number>();
    for (const { tenant, traceId, run } of this.#records) {
      const key = keyOf(tenant, traceId);
      first.set(key, Math.min(first.get(key) ?? Number.POSITIVE_INFINITY, Number.parseInt(run, 36)));
    }
    return new Map(
      this.#requests.map((request) => [
        (first.get(keyOf(request.tenant, request.traceId)) ?? -1).toString(36),
        request,
      ]),
    );
  }

  #checkRecords(): void {
    const runs = this.#runs();
    const shape = lawShapeOf(this.#flow.graph, this.#choosers);
    const shapeOf = (run: string): LawShape => (runs.has(run) ? shape : UNKNOWN_SHAPE);
    this.broken.push(...brokenLaws(this.#records, shapeOf), ...brokenTurns(this.#records, shapeOf));
    const dropped = new Map<string, number>();
    for (const record of this.#records)
      if (record.type === "dropped") add(dropped, `${record.node} of "${record.traceId}" of ${record.tenant}`, 1);
    for (const event of this.#events)
      if (event.type === "message_drop" || event.type === "deadline_skip")
        add(dropped, `${event.node} of "${event.traceId}" of ${event.tenant}`, -1);
    for (const [place, left] of dropped)
      if (left > 0) this.broken.push(`L1: ${left} messages were dropped at ${place} without an event`);
  }

  /** L11: whoever is told of a request is told of it as its tenant's. */
  #checkTenants(): void {
    const known = new Set(this.#requests.map(({ tenant, traceId }) => keyOf(tenant, traceId)));
    for (const { tenant, traceId } of [...this.#events, ...this.#envelopes, ...this.#records])
      if (!known.has(keyOf(tenant, traceId)))
        this.broken.push(`L11: something is told of request "${traceId}" of ${tenant}, which there is not`);
    for (const { tenant, headers, edge } of this.#envelopes)
      if (tenant !== headers.tenant)
        this.broken.push(`L11: a message of ${headers.tenant} goes over ${edge} for ${tenant}`);
  }

  async #checkByUser(): Promise<void> {
    const outcomes = new Map<string, FinalOutcome>();
    const results = new Map<string, unknown[]>();
    for (const record of this.#records) {
      if (record.type === "ended") outcomes.set(record.run, record.outcome);
      if (record.type !== "emitted" && record.type !== "committed") continue;
      const reached = record.outputs.filter(({ node }) => node === ROOKERY).map(({ message }) => message.payload);
      results.set(record.run, [...(results.get(record.run) ?? []), ...reached]);
    }
    const requests: SimulatedRequest<unknown, unknown>[] = [];
    for (const [run, { message, tenant, traceId }] of this.#runs()) {
      const outcome = outcomes.get(run);
      if (outcome === undefined) continue;
      const { status } = outcome;
      add(this.outcomes, status, 1);
      const error = status === "completed" ? undefined : outcome.error;
      requests.push({ input: message.payload, tenant, traceId, status, results: results.get(run) ?? [], error });
    }
    try {
      await this.#options.check?.(requests);
    } catch (error) {
      this.broken.push(`Your check: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** What the laws need to know of a graph whose handlers nobody knows. */
function lawShapeOf({ byName, vertices }: Graph, choosers: ReadonlySet<string>): LawShape {
  const vertexOf = (name: string): Vertex | undefined => vertices[byName.get(name) ?? -1];
  const entries = vertices.filter(({ isIngress }) => isIngress).map(({ node }) => node.name);
  return {
    entriesWith: () => entries,
    isOrdered: (name) => vertexOf(name)?.node.policy.ordering === "trace",
    groupSize(name) {
      const gathering = vertexOf(name)?.node.gathering;
      return gathering?.whenShort === "fail" && typeof gathering.count === "number" ? gathering.count : undefined;
    },
    targets({ run, node, lineage }, output) {
      const vertex = vertexOf(node);
      if (vertex === undefined || choosers.has(`${run} ${lineage}`)) return undefined;
      const onward = vertex.successors.filter((index) => index !== vertex.index);
      if (output.payload instanceof WM && onward.length < vertex.successors.length) return [node];
      return onward.length === 0 ? [ROOKERY] : onward.map((index) => (vertices[index] as Vertex).node.name);
    },
    shareOf(name, tenant) {
      const vertex = vertexOf(name);
      if (vertex === undefined || vertex.ring !== undefined || !(TENANTS as readonly string[]).includes(tenant))
        return undefined;
      // with more slots the scheduler has a say in who is next
      return vertex.node.policy.concurrency === 1 && vertex.node.gathering === undefined ? 1 : undefined;
    },
  };
}

/** Of a playbook's runs: their graph is not known. */
const UNKNOWN_SHAPE: LawShape = {
  entriesWith: () => undefined,
  isOrdered: () => false,
  groupSize: () => undefined,
  targets: () => undefined,
  shareOf: () => undefined,
};

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const keyOf = (tenant: string, traceId: string): string => JSON.stringify([tenant, traceId]);

function oneOf<Item>(items: readonly Item[], random: Random): Item {
  return items[Math.floor(random() * items.length)] as Item;
}

function add(counts: Map<string, number>, key: string, number: number): void {
  counts.set(key, (counts.get(key) ?? 0) + number);
}

/** FNV-1a (Fowler, Noll, Vo). */
function hashOf(text: string): number {
  let state = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) state = Math.imul(state ^ text.charCodeAt(index), 0x01000193);
  return state >>> 0;
}
