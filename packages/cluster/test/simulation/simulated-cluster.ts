import { createHash } from "node:crypto";
import {
  type Checkpoint,
  type FinalOutcome,
  FlowError,
  type Logger,
  type Random,
  seededRandom,
  type TraceItems,
} from "penguiflow";
import { SeededSchedule } from "../../../core/src/testing/simulation/seeded-schedule.ts";
import type { ClusterCallOptions, ClusterOutcome, ClusterStreamItem, FlowRef } from "../../src/client/call.ts";
import { fromBytes } from "../../src/form/text.ts";
import type { Client } from "../../src/client/client.ts";
import { type Cluster, clusterOn } from "../../src/cluster.ts";
import { type Deployment, groupOf, partitionName, partitionNames, partitionOf } from "../../src/form/place.ts";
import type { Worker } from "../../src/worker/worker.ts";
import { brokenGuarantees } from "../history/broken-guarantees.ts";
import { type FinalState, type HistoryEvent, nameOf, type TraceName } from "../history/history.ts";
import { outcomeOf, textOf } from "../history/observed-backend.ts";
import { INK, NODES, type Order, type Receipt, simulatedFlow, type World } from "./simulated-flow.ts";
import { SimulatedMachine } from "./simulated-machine.ts";
import { type ServerDefect, SimulatedServer } from "./simulated-server.ts";

const LEASE_MS = 1_000;
const KEEP_MS = 3_600_000;
const DEPLOYMENT: Deployment = { app: "sim", flow: "orders", version: "1", partitions: 2, lanes: 2 };
const NEXT: Deployment = { ...DEPLOYMENT, version: "2" };
const PLACED: Deployment = { ...DEPLOYMENT, flow: "orders/pay" };
const TENANTS = ["ada", "bob", "cy"];
/** Workers from the beginning. In some seeds there is a third one: of the next version, or of the placed node. */
const WORKERS = 2;
const THIRD = 2;
const CLIENTS = 2;
/** Milliseconds in which calls begin and blows fall. */
const BUSY_MS = 6_000;
/** Milliseconds after its failure within which an operator tries a trace again. */
const RETRY_MS = 200;
/** Milliseconds between two signals. */
const SIGNAL_MS = 400;
/** Milliseconds after which everything must have ended. */
const LIMIT_MS = 180_000;
const FLOW: FlowRef<Order, Receipt> = { name: "orders" };
/** Shares of the seeds in which a second version is released, and in which a node is on another pool. */
const KINDS = { versions: 0.2, placement: 0.2 };
/** Milliseconds after which a release that was refused is tried again, and that it has. */
const RELEASE_MS = 1_000;
/** Milliseconds between two looks of an operator at the cluster. */
const LOOK_MS = 1_000;
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Chances of faults. */
const CHANCES: Readonly<Record<string, number>> = {
  "a request is lost": 0.01,
  "an answer is lost": 0.01,
  "a request is doubled": 0.03,
  "a read is stale": 0.1,
  "a result is stale": 0.2,
  "a notification is lost": 0.1,
  "a handler throws": 0.05,
  "a handler is slow": 0.3,
  "an answer does not fit": 0.3,
};

/** Findings of one run of a simulated cluster. */
export interface SimulatedClusterRun {
  readonly seed: number;
  /** Rules that it breaks, one line each. */
  readonly broken: readonly string[];
  readonly history: readonly HistoryEvent[];
  readonly digest: string;
  readonly calls: number;
  /** Numbers of outcomes by status, and of faults by kind. */
  readonly outcomes: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<string, number>;
}

interface Program {
  readonly machine: SimulatedMachine;
  readonly app: Cluster;
}

/** End of a trace, as a client is told. */
interface End {
  readonly traceId: string;
  readonly status: FinalOutcome["status"];
  readonly results: readonly unknown[];
  /** Code of its error. */
  readonly code: string | undefined;
}

/** Codes of errors that say nothing about the end of a trace. */
const UNTOLD = new Set(["NOT_ACCEPTED", "OUTCOME_UNKNOWN", "TRACE_UNKNOWN"]);

interface Caller extends Program {
  readonly client: Client;
}

/** Runs a cluster under the schedule of a seed. */
export async function simulatedCluster(seed: number, defect?: ServerDefect): Promise<SimulatedClusterRun> {
  return await new SimulatedCluster(seed, defect).run();
}

class SimulatedCluster {
  readonly #seed: number;
  readonly #random: Random;
  readonly #script: Random;
  /** Draws what some of the seeds have. */
  readonly #extras: Random;
  /** Draws what seeds with a third worker have. */
  readonly #third: Random;
  /** Kind of the seed; absent for workers of one version and pool. */
  readonly #kind: keyof typeof KINDS | undefined;
  readonly #schedule: SeededSchedule;
  readonly #server: SimulatedServer;
  readonly #history: HistoryEvent[] = [];
  readonly #broken: string[] = [];
  readonly #faults = new Map<string, number>();
  readonly #outcomes = new Map<string, number>();
  readonly #workers: (Program & { readonly worker: Worker })[] = [];
  readonly #clients: Caller[] = [];
  /** Descriptions of pending waits of clients, by number. */
  readonly #waits = new Map<number, string>();
  readonly #orders = new Map<string, Order>();
  readonly #mended = new Set<string>();
  /** Names of the traces that have asked. */
  readonly #asked = new Set<string>();
  readonly #world: World;
  /** Versions that each worker runs. */
  readonly #versions = new Map<number, readonly Deployment[]>();
  /** Whether given ids are bound to their versions. */
  #isBound = false;
  /** Whether the workers of the first version have ended, because it had no work. */
  #isRetired = false;
  #calls = 0;
  #numbers = 0;
  /** Blows that have not fallen yet. */
  #ahead = 0;
  /** Whether faults no longer happen. */
  #isCalm = false;

  constructor(seed: number, defect: ServerDefect | undefined) {
    this.#seed = seed;
    this.#random = seededRandom(Math.imul(seed, 0x9e3779b1));
    this.#script = seededRandom(Math.imul(seed, 0x85ebca6b) + 1);
    this.#extras = seededRandom(Math.imul(seed, 0x27d4eb2f) + 2);
    this.#third = seededRandom(Math.imul(seed, 0x165667b1) + 3);
    const drawn = this.#third();
    if (drawn < KINDS.versions) this.#kind = "versions";
    else if (drawn > 1 - KINDS.placement) this.#kind = "placement";
    this.#schedule = new SeededSchedule(this.#random);
    const happens = (fault: string): boolean => this.#happens(fault);
    this.#server = new SimulatedServer(this.#schedule, this.#random, happens, (event) => this.#note(event), defect);
    this.#world = {
      random: this.#random,
      happens,
      kill: (machine) => {
        const index = this.#workers.findIndex((one) => one.machine === machine);
        if (index >= 0) this.#kill(index, "a handler ends its worker");
      },
      isMended: ({ id, tenant }) => this.#mended.has(`${tenant} ${id}`),
      handled: (machine, node, trace) => {
        if (machine.hasEnded) return;
        this.#note({ type: "handled", ...trace, node, epoch: this.#server.epochOf(machine, trace.partition) });
      },
      failing: (order, id) => this.#retrySoon(order, id),
      wrong: (what) => void this.#broken.push(what),
    };
  }

  async run(): Promise<SimulatedClusterRun> {
    for (let index = 0; index < WORKERS; index += 1) this.#beginWorker(index);
    if (this.#kind === "placement") this.#beginWorker(THIRD);
    for (let index = 0; index < CLIENTS; index += 1) {
      const program = this.#program(`client-${index}`);
      this.#clients.push({ ...program, client: program.app.client() });
    }
    this.#planCalls();
    this.#planBlows();
    if (this.#kind === "versions") this.#planReleases();
    await this.#play(
      () =>
        this.#ahead === 0 &&
        this.#waits.size === 0 &&
        this.#server.isEmpty &&
        this.#unfinished.length === 0 &&
        // a question that is left unanswered is work
        (this.#kind !== "versions" || this.#isRetired || this.#isOfDeadCaller),
    );
    if (this.#ahead > 0) this.#broken.push(`${this.#ahead} planned events have not happened`);
    this.#checkFigures();
    await this.#shutDown();
    const state = await this.#finalState();
    const nodes = this.#kind === "placement" ? new Map([...NODES, [PLACED.flow, 1]]) : NODES;
    this.#broken.push(...brokenGuarantees(this.#history, state, nodes));
    const digest = createHash("sha256")
      .update(JSON.stringify([this.#history, [...this.#faults]]))
      .digest("hex");
    return {
      seed: this.#seed,
      broken: this.#broken,
      history: this.#history,
      digest,
      calls: this.#calls,
      outcomes: this.#outcomes,
      faults: this.#faults,
    };
  }

  #nameOf(tenant: string, id: string): TraceName {
    return { partition: partitionOf(DEPLOYMENT, tenant, id), tenant, id };
  }

  #note(event: HistoryEvent): void {
    this.#history.push(event);
  }

  #happens(fault: string): boolean {
    if (this.#random() >= CHANCES[fault]! || this.#isCalm) return false;
    this.#count(this.#faults, fault);
    return true;
  }

  #count(counts: Map<string, number>, what: string): void {
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }

  #program(name: string): Program {
    const machine = new SimulatedMachine(name, this.#schedule, this.#random);
    const backend = this.#server.reachedFrom(machine);
    const { app, partitions, lanes } = DEPLOYMENT;
    const options = { name: app, backend, partitions, lanes, leaseMs: LEASE_MS, keepMs: KEEP_MS, logger: SILENT };
    return { machine, app: clusterOn(machine, options) };
  }

  #beginWorker(index: number): void {
    const program = this.#program(`worker-${index}`);
    const { machine } = program;
    const placement = this.#kind === "placement" ? "gpu" : undefined;
    // the second one runs both: whole flows, and the node of the other pool
    const offers = placement === undefined || index === 0 ? [] : [placement];
    const placedOnly = placement !== undefined && index === THIRD;
    const worker = program.app.worker({ name: machine.name, maxInFlight: 4, drainMs: 200, offers, placedOnly });
    this.#workers[index] = { ...program, worker };
    for (const deployment of this.#versions.get(index) ?? [DEPLOYMENT]) {
      const { version } = deployment;
      worker.run(simulatedFlow(machine, this.#world, { deployment, placement }), { version });
    }
  }

  /** Number of workers, once all have begun. */
  get #workerCount(): number {
    return this.#kind === undefined ? WORKERS : THIRD + 1;
  }

  /**
   * Has the next version released while the first one works. Then an operator lets the workers of the first one end once
   * it has no work, and brings one back should it have some again.
   */
  #planReleases(): void {
    const operator = this.#program("operator");
    const later = (ms: number): Promise<void> => new Promise((resolve) => operator.machine.later(resolve, ms));
    const some = (): number => Math.floor(this.#third() * 2_000);
    const [beginMs, betweenMs, share] = [some(), some(), 0.2 + this.#third() * 0.6];
    const begins = this.#third() < 0.5 ? DEPLOYMENT : NEXT;
    this.#versions.set(THIRD, [NEXT]);
    this.#ahead += 1;
    const releasing = async (): Promise<void> => {
      await later(beginMs);
      this.#beginWorker(THIRD);
      // workers that begin again from now on run both
      for (let index = 1; index < WORKERS; index += 1) this.#versions.set(index, [DEPLOYMENT, NEXT]);
      await later(betweenMs);
      await this.#release(operator, begins, begins === NEXT ? { share } : {});
      this.#isBound = true;
      await later(betweenMs);
      await this.#release(operator, NEXT, begins === NEXT ? {} : { share });
      await later(betweenMs);
      await this.#release(operator, NEXT, {});
      this.#ahead -= 1;
      while (!operator.machine.hasEnded) {
        await later(LOOK_MS);
        await this.#operate(operator);
      }
    };
    releasing().catch((error: unknown) => this.#broken.push(`The operator failed with ${String(error)}`));
  }

  async #release({ app, machine }: Program, { version }: Deployment, options: { readonly share?: number }) {
    while (!machine.hasEnded) {
      try {
        await app.release(FLOW, version, { ...options, timeoutMs: RELEASE_MS });
        return;
      } catch (error) {
        // its own release may be stored, without an answer
        if (error instanceof TypeError) return;
        this.#count(this.#faults, "a release is tried again");
        await new Promise<void>((resolve) => machine.later(resolve, RELEASE_MS));
      }
    }
  }

  async #operate({ app }: Program): Promise<void> {
    const status = await app.status().catch(() => undefined);
    const first = status?.flows.find(({ version }) => version === DEPLOYMENT.version);
    if (first === undefined) return;
    if (!this.#isRetired && !first.hasWork) {
      this.#count(this.#faults, "a version ends");
      this.#isRetired = true;
      for (let index = 0; index < WORKERS; index += 1) {
        this.#versions.set(index, [NEXT]);
        this.#restart(index);
      }
    } else if (this.#isRetired && first.hasWork && first.members.length === 0) {
      this.#count(this.#faults, "a version comes back");
      this.#versions.set(0, [DEPLOYMENT, NEXT]);
      this.#restart(0);
    }
  }

  #draw<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#script() * items.length)]!;
  }

  /** Calls `act` at some time of the busy part of the run. */
  #plan(act: () => void, fromMs = 0): void {
    this.#ahead += 1;
    this.#schedule.clock.setTimer(
      () => {
        this.#ahead -= 1;
        act();
      },
      fromMs + Math.floor(this.#script() * BUSY_MS),
    );
  }

  #planCalls(): void {
    const count = 2 + Math.floor(this.#script() * 7);
    for (let index = 0; index < count; index += 1) {
      const isGiven = this.#script() < 0.6;
      const id = isGiven ? `order-${Math.floor(this.#script() * 4)}` : `call-${index}`;
      const tenant = this.#draw(TENANTS);
      const order = this.#orderOf(tenant, id);
      const client = this.#draw(this.#clients);
      // whatever version its caller names, an id belongs to one
      const version = this.#kind === "versions" ? ["1", "2", undefined][Math.floor(this.#third() * 4)] : undefined;
      this.#plan(() => this.#call(client, order, isGiven ? id : undefined, version));
      if (isGiven && order.listens) this.#plan(() => this.#send(client, order));
      // one that waits for signals has no end once the client that sends them is killed
      if (isGiven && order.streams && !order.listens)
        this.#plan(() => this.#follow(this.#draw(this.#clients), order, version));
      if (this.#third() < 0.1) this.#plan(() => this.#callUnfit(client, order, isGiven ? `unfit-${index}` : undefined));
      if (isGiven && this.#script() < 0.2) {
        const other = this.#draw(this.#clients);
        this.#plan(() => this.#cancel(other, order));
      }
    }
  }

  /** Returns the order of an id: all its callers send the same. */
  #orderOf(tenant: string, id: string): Order {
    const key = `${tenant} ${id}`;
    const random = this.#script;
    const known = this.#orders.get(key);
    if (known !== undefined) return known;
    const [asks, mayFail] = [random() < 0.25, random() < 0.1];
    const kills = random() < 0.04 ? this.#draw(["take", "pay"] as const) : undefined;
    // its callers are told that it has failed, and would not answer what it asks when it is tried again
    const listens = this.#script() < 0.25 && kills === undefined && !asks && id.startsWith("order-");
    const streams = this.#extras() < 0.3;
    const isPlaced = this.#kind === "placement";
    // an order that fails before it asks or listens would do so after its callers were told
    const isEarly = mayFail && isPlaced && !asks && this.#third() < 0.5 && !listens;
    const fails = mayFail ? (isEarly ? "pay" : "ship") : undefined;
    const deadlineAt = isPlaced ? this.#schedule.clock.epochNow() + 10 * LIMIT_MS : undefined;
    const order: Order = { id, tenant, asks: asks && kills === undefined, fails, listens, streams, kills, deadlineAt };
    this.#orders.set(key, order);
    return order;
  }

  #planBlows(): void {
    const some = (most: number): number => Math.floor(this.#script() * (most + 1));
    const duration = (): number => Math.floor(this.#script() ** 2 * 4_000);
    for (let left = some(3); left > 0; left -= 1) {
      const index = Math.floor(this.#script() * this.#workerCount);
      this.#plan(() => this.#kill(index));
    }
    for (let left = some(2); left > 0; left -= 1) {
      const [index, ms] = [Math.floor(this.#script() * this.#workerCount), duration()];
      this.#plan(() => {
        this.#count(this.#faults, "a worker is suspended");
        this.#workers[index]?.machine.suspend(ms);
      });
    }
    for (let left = some(2); left > 0; left -= 1) {
      const programs = this.#draw([this.#workers, this.#workers, this.#clients]);
      const [index, ms] = [some((programs === this.#clients ? CLIENTS : this.#workerCount) - 1), duration()];
      this.#plan(() => {
        this.#count(this.#faults, "a machine is cut off");
        const { machine } = programs[index] ?? programs[0]!;
        this.#server.cutOff(machine, ms);
      });
    }
    for (let left = some(1); left > 0; left -= 1) {
      const index = Math.floor(this.#script() * this.#workerCount);
      this.#plan(() => this.#restart(index));
    }
    if (this.#script() < 0.15) this.#plan(() => this.#killClient());
  }

  #kill(index: number, fault = "a worker is killed"): void {
    const struck = this.#workers[index];
    if (struck === undefined) return;
    this.#count(this.#faults, fault);
    struck.machine.kill();
    this.#ahead += 1;
    this.#schedule.clock.setTimer(
      () => {
        this.#ahead -= 1;
        if (this.#workers[index]!.machine.hasEnded) this.#beginWorker(index);
      },
      Math.floor(this.#random() * 2_000),
    );
  }

  /** Drains a worker and begins it again. */
  #restart(index: number): void {
    const restarted = this.#workers[index];
    if (restarted === undefined || restarted.machine.hasEnded) return;
    const { worker, machine } = restarted;
    this.#count(this.#faults, "a worker is drained");
    this.#ahead += 1;
    const again = (): void => {
      this.#ahead -= 1;
      if (this.#workers[index]!.machine !== machine) return;
      machine.kill();
      this.#beginWorker(index);
    };
    let isDrained = false;
    const drain = async (): Promise<void> => {
      await worker.drain();
      isDrained = true;
      again();
    };
    drain().catch((error: unknown) => this.#broken.push(`A drain failed: ${String(error)}`));
    // one that is killed while it drains does not say so
    this.#schedule.clock.setTimer(() => {
      if (!isDrained && machine.hasEnded) this.#ahead -= 1;
    }, LIMIT_MS / 4);
  }

  #killClient(): void {
    this.#count(this.#faults, "a client is killed");
    const { machine } = this.#clients[0]!;
    machine.kill();
    for (const [number, wait] of this.#waits) if (wait.startsWith(machine.name)) this.#waits.delete(number);
  }

  /** Follows something that a client waits for. */
  #watch({ machine }: Program, what: string, work: Promise<void>): void {
    this.#numbers += 1;
    const number = this.#numbers;
    this.#waits.set(number, `${machine.name}: ${what}`);
    work
      .catch((error: unknown) => this.#broken.push(`${what} failed with ${String(error)}`))
      .finally(() => this.#waits.delete(number));
  }

  /** Names the flow. Before its ids are bound, it has one version for its callers. */
  #flow(version: string | undefined): FlowRef<Order, Receipt> {
    return this.#isBound && version !== undefined ? { ...FLOW, version } : FLOW;
  }

  #call(caller: Caller, order: Order, id: string | undefined, version: string | undefined): void {
    if (caller.machine.hasEnded) return;
    this.#calls += 1;
    const call = this.#calls;
    const { tenant, deadlineAt } = order;
    const flow = this.#flow(version);
    const options: ClusterCallOptions = {
      ...{ id, tenant },
      ...(deadlineAt !== undefined && { deadlineAt, budget: { ink: INK.budget } }),
    };
    const name = this.#nameOf(tenant, id ?? order.id);
    if (id !== undefined) this.#note({ type: "called", ...name, call });
    const calling = async (): Promise<void> => {
      try {
        if (order.streams) await this.#read(caller, order, caller.client.stream(flow, order, options), call);
        else this.#told(caller, order, await caller.client.outcome(flow, order, options), call);
      } catch (error) {
        if (!(error instanceof FlowError)) throw error;
        this.#count(this.#outcomes, error.code);
        this.#note({ type: "rejected", ...this.#nameOf(tenant, error.traceId ?? order.id), call, code: error.code });
      }
    };
    this.#watch(caller, `Call ${call} of ${nameOf(name)}`, calling());
  }

  /** Makes a call that the owner refuses: its entry node is unknown. */
  #callUnfit(caller: Caller, order: Order, id: string | undefined): void {
    if (caller.machine.hasEnded) return;
    const { tenant } = order;
    const calling = async (): Promise<void> => {
      try {
        await caller.client.outcome(FLOW, order, { id, tenant, to: "nowhere" });
        this.#broken.push(`Refused: a call of ${tenant} to an unknown node was told an outcome`);
      } catch {
        this.#count(this.#faults, "a call is refused");
      }
    };
    this.#watch(caller, `The call of ${tenant} to an unknown node`, calling());
  }

  /** Reads a trace that another client may have begun. */
  #follow(caller: Caller, order: Order, version: string | undefined): void {
    if (caller.machine.hasEnded) return;
    const { id, tenant } = order;
    const name = nameOf(this.#nameOf(tenant, id));
    const isKnown = this.#history.some((event) => event.type === "told" && nameOf(event) === name);
    const following = async (): Promise<void> => {
      try {
        await this.#read(caller, order, caller.client.follow(this.#flow(version), id, { tenant }));
      } catch (error) {
        if (!(error instanceof FlowError) || error.code !== "TRACE_UNKNOWN") throw error;
        if (isKnown) this.#broken.push(`Unknown: a reader does not find ${name}, whose outcome was told`);
      }
    };
    this.#watch(caller, `The reader of ${name}`, following());
  }

  /** Reads a trace until its end, and answers what it asks. */
  async #read(
    caller: Caller,
    order: Order,
    items: TraceItems<ClusterStreamItem<Receipt>>,
    call?: number,
  ): Promise<void> {
    this.#numbers += 1;
    const reader = this.#numbers;
    const { tenant } = order;
    const results: Receipt[] = [];
    let id = order.id;
    let status: FinalOutcome["status"] = "completed";
    let code: string | undefined;
    try {
      for await (const item of items) {
        if (item.type === "result") {
          results.push(item.result);
          id = item.message.traceId;
        } else if (item.type === "pause") {
          const { token, traceId } = item.pause;
          this.#answer(caller, order, { ...this.#nameOf(tenant, traceId), token });
        } else {
          const { streamId: stream, run, seq: position, done: isLast, traceId } = item.chunk;
          this.#note({ type: "chunk", ...this.#nameOf(tenant, traceId), reader, stream, run, position, isLast });
        }
      }
    } catch (error) {
      if (!(error instanceof FlowError) || UNTOLD.has(error.code)) throw error;
      id = error.traceId ?? id;
      status = error.code === "TRACE_CANCELLED" ? "cancelled" : "failed";
      code = error.code;
    }
    this.#ended(caller, order, { traceId: id, status, results, code }, call);
  }

  #told(caller: Caller, order: Order, outcome: ClusterOutcome<Receipt>, call?: number): void {
    const { traceId } = outcome;
    if (outcome.status === "paused") {
      for (const { token } of outcome.pauses)
        this.#answer(caller, order, { ...this.#nameOf(order.tenant, traceId), token });
      return;
    }
    const code = "error" in outcome ? outcome.error.code : undefined;
    this.#ended(caller, order, { traceId, status: outcome.status, results: outcome.results, code }, call);
  }

  #ended(caller: Caller, order: Order, { traceId, code, ...outcome }: End, call?: number): void {
    this.#count(this.#outcomes, outcome.status);
    const name = this.#nameOf(order.tenant, traceId);
    this.#note({ type: "told", ...name, ...(call !== undefined && { call }), outcome: textOf(outcome) });
    if (outcome.status !== "failed" || this.#random() >= 0.5) return;
    // one that failed before it had its answer would ask after its callers were told
    const hasAnswer = this.#asked.has(nameOf(name)) && code !== "POISON_MESSAGE";
    if (!order.asks || hasAnswer) this.#retry(caller, order, traceId);
  }

  #answer(caller: Caller, order: Order, pause: TraceName & { readonly token: string }) {
    if (caller.machine.hasEnded) return;
    const { token, tenant } = pause;
    this.#asked.add(nameOf(pause));
    this.#numbers += 1;
    const value = `${this.#happens("an answer does not fit") ? "something else" : "answer"} ${this.#numbers}`;
    this.#note({ type: "answering", ...pause, value });
    const answering = async (): Promise<void> => {
      try {
        const outcome = await caller.client.resume(FLOW, token, value, { tenant });
        this.#note({ type: "answered", ...pause, value, code: undefined });
        this.#told(caller, order, outcome);
      } catch (error) {
        if (!(error instanceof FlowError)) throw error;
        this.#note({ type: "answered", ...pause, value, code: error.code });
        if (error.code === "RESUME_INVALID" || error.code === "NOT_ACCEPTED") this.#answer(caller, order, pause);
      }
    };
    this.#watch(caller, `The answer "${value}" to ${nameOf(pause)}`, answering());
  }

  /** Sends signals to a trace until it has ended, and its calls are told. */
  #send(caller: Caller, order: Order): void {
    const { id, tenant } = order;
    const name = this.#nameOf(tenant, id);
    const isWanted = (): boolean =>
      this.#ahead > 0 ||
      this.#unfinished.includes(nameOf(name)) ||
      [...this.#waits.values()].some((wait) => wait.includes(": Call ") && wait.endsWith(nameOf(name)));
    const sending = async (): Promise<void> => {
      while (isWanted() && !caller.machine.hasEnded) {
        this.#numbers += 1;
        // never sent twice: one that was received twice was stored twice
        const value = `signal ${this.#numbers}`;
        await caller.client.signal(FLOW, id, "go", value, { tenant }).catch((error: unknown) => {
          if (!(error instanceof FlowError)) throw error;
        });
        await new Promise<void>((resolve) => caller.machine.later(resolve, SIGNAL_MS));
      }
    };
    this.#watch(caller, `The signals to ${nameOf(name)}`, sending());
  }

  #cancel(caller: Caller, { id, tenant }: Order): void {
    if (caller.machine.hasEnded) return;
    const name = this.#nameOf(tenant, id);
    this.#note({ type: "cancelling", ...name });
    const cancelling = async (): Promise<void> => {
      await accepted(() => caller.client.cancel(FLOW, id, { tenant }));
      const places = [DEPLOYMENT, NEXT].map((one) => ({ partition: partitionOf(one, tenant, id), tenant, id }));
      const stored = await this.#server.store.results.get(places, "latest");
      const final = stored.find((one) => one?.isFinal === true);
      this.#note({ type: "cancelled", ...name, outcome: final === undefined ? undefined : outcomeOf(final.body) });
    };
    this.#watch(caller, `The cancel of ${nameOf(name)}`, cancelling());
  }

  /** Has an operator try a failed trace again, perhaps before its callers are told that it has failed. */
  #retrySoon(order: Order, id: string): void {
    // a question or wait after that would be left to its callers
    if (order.asks || order.listens || this.#third() < 0.5) return;
    const operator = this.#clients.at(-1)!;
    this.#schedule.clock.setTimer(() => this.#retry(operator, order, id), Math.floor(this.#third() * RETRY_MS));
  }

  #retry(caller: Caller, order: Order, id: string): void {
    if (caller.machine.hasEnded) return;
    const { tenant } = order;
    // one that ends its workers may do so again
    if (order.kills === undefined || this.#random() < 0.5) this.#mended.add(`${tenant} ${order.id}`);
    const name = this.#nameOf(tenant, id);
    this.#note({ type: "retrying", ...name });
    const retrying = async (): Promise<void> => {
      try {
        await accepted(() => caller.client.retryFailed(FLOW, id, { tenant }));
      } catch (error) {
        // another client has asked for it, or it has ended again
        if (!(error instanceof FlowError) || error.code !== "TRACE_UNKNOWN") throw error;
      }
    };
    this.#watch(caller, `The retry of ${nameOf(name)}`, retrying());
  }

  /** Traces in flight, and outcomes that are not delivered. */
  get #unfinished(): readonly string[] {
    return this.#server.entries
      .filter(([, entry]) => isUnfinished(entry) && !(this.#isOfDeadCaller && isPaused(entry)))
      .map(([partition, { tenant, traceId: id }]) => nameOf({ partition, tenant, id }));
  }

  /** Whether a client was killed: a question of its traces is left unanswered. */
  get #isOfDeadCaller(): boolean {
    return this.#clients.some(({ machine }) => machine.hasEnded);
  }

  async #play(isOver: () => boolean): Promise<void> {
    const limit = this.#schedule.clock.now() + LIMIT_MS;
    let isLate = false;
    const didEnd = await this.#schedule.playOn(
      () => {
        this.#isCalm = this.#schedule.clock.now() > limit - LIMIT_MS / 2;
      },
      () => isOver() || (isLate = this.#schedule.clock.now() > limit),
    );
    if (didEnd && !isLate) return;
    for (const wait of this.#waits.values()) this.#broken.push(`${wait} has not settled`);
    this.#waits.clear();
    if (this.#kind === "versions" && !this.#isRetired && !this.#isOfDeadCaller)
      this.#broken.push("The first version has not ended");
    for (const left of this.#unfinished) this.#broken.push(`${left} has not ended`);
  }

  /** Compares what workers count as in flight with the checkpoints of the partitions that they hold. */
  #checkFigures(): void {
    for (const { worker, machine } of this.#workers)
      for (const { flow, version, held, assigned, inFlight } of worker.status().flows) {
        const partitions = held.map((index) => partitionName({ ...DEPLOYMENT, flow, version }, index));
        // partitions lost without knowing, or assigned, are counted as they were
        const isSure = partitions.every((name) => this.#server.isLatest(machine, name)) && assigned === held.length;
        if (!isSure || machine.hasEnded) continue;
        const live = this.#server.entries.filter(([name, entry]) => partitions.includes(name) && isUnfinished(entry));
        if (live.length === inFlight) continue;
        const name = `${flow}@${version}`;
        this.#broken.push(`Figures: ${machine.name} counts ${inFlight} of ${name} in flight, of ${live.length}`);
      }
  }

  async #shutDown(): Promise<void> {
    let left = 0;
    for (const { worker, machine } of this.#workers) {
      if (machine.hasEnded) continue;
      left += 1;
      const drained = (): void => void (left -= 1);
      worker.drain().then(drained, drained);
    }
    for (const { client, machine } of this.#clients) {
      if (machine.hasEnded) continue;
      left += 1;
      const closed = (): void => void (left -= 1);
      client[Symbol.asyncDispose]().then(closed, closed);
    }
    await this.#play(() => left === 0);
    if (left > 0) this.#broken.push(`${left} programs have not ended`);
    for (const { machine } of [...this.#workers, ...this.#clients]) machine.kill();
  }

  async #finalState(): Promise<FinalState> {
    this.#schedule.clock.skip(LEASE_MS + 1);
    const counts = new Map<string, number>();
    const { checkpoints, intake } = this.#server.store;
    let backlog = 0;
    const deployments = { versions: [DEPLOYMENT, NEXT], placement: [DEPLOYMENT, PLACED] };
    const all = this.#kind === undefined ? [DEPLOYMENT] : deployments[this.#kind];
    for (const partition of all.flatMap(partitionNames)) {
      const opened = await checkpoints.open({ partition, owner: "checker", leaseMs: LEASE_MS });
      const isPlaced = groupOf(partition).startsWith(PLACED.flow);
      for (const [node, count] of await opened.counts()) {
        const name = isPlaced ? PLACED.flow : node;
        counts.set(name, (counts.get(name) ?? 0) + count);
      }
      const limit = { count: 1_000, bytes: 1e9, waitMs: 0, signal: AbortSignal.abort() };
      const left = await intake.read(partition, await opened.consumed(), limit);
      // its reader has been told the end meanwhile, and asks no more
      backlog += left.filter(({ body }) => fromBytes<{ readonly kind: string }>(body).kind !== "find").length;
    }
    return { counts, left: this.#unfinished, backlog };
  }
}

interface SavedState {
  readonly items: readonly { readonly where: string }[];
  readonly outcome?: unknown;
}

const stateOf = ({ state }: Checkpoint): SavedState => JSON.parse(state) as SavedState;

/** Whether a trace is in flight, or its outcome is not delivered. */
const isUnfinished = (entry: Checkpoint): boolean => entry.status === "open" || stateOf(entry).outcome !== undefined;

const isPaused = (entry: Checkpoint): boolean => stateOf(entry).items.some(({ where }) => where === "pause");

/** Repeats a command that was not accepted: its client could not read the registry. */
async function accepted(work: () => Promise<unknown>): Promise<void> {
  for (;;)
    try {
      await work();
      return;
    } catch (error) {
      if (!(error instanceof FlowError) || error.code !== "NOT_ACCEPTED") throw error;
    }
}
