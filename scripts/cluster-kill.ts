// Kills and stops the workers of a cluster while its clients call, and checks its guarantees on what they are told, on
// what each worker has read and stored, and on what is left: `npm run cluster:kill -- --kills 50 --stops 5`. The checks
// are those of the simulation: packages/cluster/test/history/broken-guarantees.ts.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { FlowError, seededRandom } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { type Client, cluster } from "@penguiflow/cluster";
import { partitionNames, partitionOf } from "../packages/cluster/src/form/place.ts";
import { brokenGuarantees } from "../packages/cluster/test/history/broken-guarantees.ts";
import type { FinalState, HistoryEvent } from "../packages/cluster/test/history/history.ts";
import { textOf } from "../packages/cluster/test/history/observed-backend.ts";
import { type BackendName, BACKENDS, testedBackend, type TestedBackend } from "./cluster/backends.ts";
import { HistoryFolder } from "./cluster/history-file.ts";
import { readCommandLine, refuse, wholeNumber } from "./command-line.ts";
import { LEASE_MS, PARTITIONS, WORKERS } from "./cluster/settings.ts";
import { line, NODES } from "./cluster/ten-nodes.ts";

const USAGE = `Usage: npm run cluster:kill -- [--backend name] [--kills n] [--stops n] [--leaders n]
                                [--seed n]

  --backend  memory, postgres, nats or nats-3 (three servers), memory when left out
  --kills    times that a worker is killed, 20 when left out
  --stops    times that a worker is stopped for longer than its lease, 2 when left out
  --leaders  times that the server which leads is killed, with nats-3, 0 when left out
  --seed     seed of the choices, 1 when left out`;

/** Calls at once. */
const AT_ONCE = 200;
const BLOW_MS = 1_500;
const AGAIN = 100;
/** Milliseconds after the last blow in which every call must be answered. */
const SETTLE_MS = 120_000;

interface Wanted {
  readonly kills: number;
  readonly stops: number;
  readonly leaders: number;
  readonly seed: number;
  readonly on: BackendName;
}

type Blow = "kill" | "stop" | "leader";

/** Worker processes, each replaced when it is killed. */
class Fleet implements AsyncDisposable {
  readonly #tested: TestedBackend;
  readonly #history: string;
  readonly #workers: ChildProcess[] = [];

  constructor(tested: TestedBackend, history: string) {
    this.#tested = tested;
    this.#history = history;
    for (let index = 0; index < WORKERS; index += 1) this.#workers[index] = this.#begin(index);
  }

  async kill(index: number): Promise<void> {
    await end(this.#workers[index]!);
    this.#workers[index] = this.#begin(index);
  }

  async stop(index: number): Promise<void> {
    this.#workers[index]!.kill("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, LEASE_MS * 2.5));
    this.#workers[index]!.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map(end));
  }

  #begin(index: number): ChildProcess {
    const worker = fork(path.join(import.meta.dirname, "cluster/worker-process.ts"), {
      env: { ...process.env, ...this.#tested.env, WORKER: `worker-${index}`, HISTORY: this.#history },
      execArgv: [...process.execArgv],
      serialization: "advanced",
    });
    this.#tested.serve(worker);
    return worker;
  }
}

async function end(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  const exited = once(worker, "exit");
  worker.kill("SIGKILL");
  await exited;
}

const DEPLOYMENT = { app: "kill", flow: line.name, version: "1", partitions: PARTITIONS, lanes: 16 };

interface Called {
  readonly id: string;
  readonly tenant: string;
}

/** Calls with an id, and notes what is told. */
async function call(client: Client, { id, tenant }: Called, number: number, note: (event: HistoryEvent) => void) {
  const name = { partition: partitionOf(DEPLOYMENT, tenant, id), tenant, id };
  note({ type: "called", ...name, call: number });
  try {
    const outcome = await client.outcome(line, { id, nodes: 0 }, { id, tenant });
    if (outcome.status === "paused") throw new Error(`Expected an outcome of "${id}", got "paused"`);
    note({ type: "told", ...name, call: number, outcome: textOf(outcome) });
    if (outcome.status !== "completed") return `${id} ended as ${outcome.status}: ${outcome.error.message}`;
    if (outcome.result.id === id && outcome.result.nodes === NODES) return undefined;
    return `${id} was answered with ${JSON.stringify(outcome.result)}`;
  } catch (error) {
    if (!(error instanceof FlowError)) throw error;
    note({ type: "rejected", ...name, call: number, code: error.code });
    return `${id} was refused: ${error.message}`;
  }
}

/** Calls until `isOver`, so many at once. Returns the calls and what is wrong with their answers. */
async function callOn(client: Client, isOver: () => boolean, note: (event: HistoryEvent) => void) {
  const called: Called[] = [];
  const wrong: string[] = [];
  const caller = async (): Promise<void> => {
    while (!isOver()) {
      const next = { id: `trace-${called.length}`, tenant: `tenant-${(called.length + 1) % 7}` };
      called.push(next);
      const fault = await call(client, next, called.length, note);
      if (fault !== undefined) wrong.push(fault);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  return { called, wrong };
}

async function run({ kills, stops, leaders, seed, on }: Wanted): Promise<readonly string[]> {
  const random = seededRandom(seed);
  await using tested = await testedBackend(on);
  const { backend } = tested;
  const app = cluster({ name: "kill", backend, partitions: PARTITIONS, leaseMs: LEASE_MS });
  await using client = app.client();
  using history = new HistoryFolder();
  const told: HistoryEvent[] = [];
  const note = (event: HistoryEvent): void => void told.push(event);
  if (leaders > 0 && tested.killLeader === undefined)
    throw new Error(`Cannot kill the leader of backend "${on}": it has one server; use "nats-3"`);
  const kinds = [
    ...Array<Blow>(kills).fill("kill"),
    ...Array<Blow>(stops).fill("stop"),
    ...Array<Blow>(leaders).fill("leader"),
  ];
  const blows = kinds
    .map((blow) => ({ blow, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ blow }) => blow);
  let isOver = false;
  let answered: Awaited<ReturnType<typeof callOn>>;
  {
    await using fleet = new Fleet(tested, history.path);
    const calling = callOn(client, () => isOver, note);
    for (const [number, blow] of blows.entries()) {
      await new Promise((resolve) => setTimeout(resolve, BLOW_MS * (0.5 + random())));
      const index = Math.floor(random() * WORKERS);
      if (blow === "leader") await tested.killLeader?.();
      else await fleet[blow](index);
      if ((number + 1) % 10 === 0) process.stdout.write(`${number + 1} of ${blows.length} blows\n`);
    }
    isOver = true;
    // a closed client gives up what it waits for, which is lost then
    const givingUp = setTimeout(() => void client[Symbol.asyncDispose](), SETTLE_MS);
    answered = await calling;
    clearTimeout(givingUp);
    await using other = app.client();
    for (const [index, again] of answered.called.slice(0, AGAIN).entries()) {
      const fault = await call(other, again, -index - 1, note);
      if (fault !== undefined) answered.wrong.push(`Called again, ${fault}`);
    }
  }
  const events = [...history.read(), ...told];
  const nodes = new Map(line.graph.vertices.map(({ node }) => [node.name, 1]));
  const broken = brokenGuarantees(events, await finalStateOf(backend), nodes);
  const { called, wrong } = answered;
  process.stdout.write(
    `${called.length} traces, ${events.length} events, ${kills} kills, ${stops} stops, ${leaders} leaders\n`,
  );
  return [...wrong, ...broken];
}

/** Reads what the partitions hold, once their leases have expired. */
async function finalStateOf(backend: ClusterBackend): Promise<FinalState> {
  await new Promise((resolve) => setTimeout(resolve, LEASE_MS * 1.2));
  const counts = new Map<string, number>();
  const left: string[] = [];
  let backlog = 0;
  for (const partition of partitionNames(DEPLOYMENT)) {
    const opened = await backend.checkpoints.open({ partition, owner: "checker", leaseMs: LEASE_MS });
    for (const [node, count] of await opened.counts()) counts.set(node, (counts.get(node) ?? 0) + count);
    for await (const page of opened.read())
      for (const { traceId, tenant } of page) left.push(`"${traceId}" of ${tenant} in ${partition}`);
    const limit = { count: 1_000, bytes: 1e9, waitMs: 0, signal: new AbortController().signal };
    backlog += (await backend.intake.read(partition, await opened.consumed(), limit)).length;
    await opened.close();
  }
  return { counts, left, backlog };
}

function wanted(): Wanted {
  const { values } = readCommandLine(USAGE, {
    backend: { type: "string", default: "memory" },
    kills: { type: "string", default: "20" },
    stops: { type: "string", default: "2" },
    leaders: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
  });
  const on = BACKENDS.find((name) => name === values.backend);
  if (on === undefined) refuse(`Option "--backend" must be one of ${BACKENDS.join(", ")}: got "${values.backend}"`);
  return {
    on,
    kills: wholeNumber("kills", values.kills, 0),
    stops: wholeNumber("stops", values.stops, 0),
    leaders: wholeNumber("leaders", values.leaders, 0),
    seed: wholeNumber("seed", values.seed),
  };
}

const faults = await run(wanted());
for (const fault of faults.slice(0, 20)) process.stdout.write(`${fault}\n`);
process.stdout.write(
  faults.length === 0 ? "Nothing lost, nothing doubled: the guarantees hold\n" : `${faults.length} faults\n`,
);
process.exitCode = faults.length === 0 ? 0 : 1;
