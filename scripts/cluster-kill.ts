// Kills and stops the workers of a cluster while its clients call, and checks what they are told: `npm run cluster:kill
// -- --kills 50 --stops 5`. Nothing may be lost or done twice: every call is answered right, every node has handled each
// trace exactly once by the checkpoints' counts, and an id that is called again has its first outcome.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { seededRandom } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { type Client, cluster } from "@penguiflow/cluster";
import { type BackendName, BACKENDS, testedBackend, type TestedBackend } from "./cluster/backends.ts";
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
  readonly #workers: ChildProcess[] = [];

  constructor(tested: TestedBackend) {
    this.#tested = tested;
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
      env: { ...process.env, ...this.#tested.env, WORKER: `worker-${index}` },
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

/** Calls until `isOver`, so many at once. Returns the ids that were answered. */
async function callOn(client: Client, isOver: () => boolean, wrong: string[]): Promise<string[]> {
  const ids: string[] = [];
  const caller = async (): Promise<void> => {
    while (!isOver()) {
      const id = `trace-${ids.length}`;
      ids.push(id);
      const outcome = await client.outcome(line, { id, nodes: 0 }, { id, tenant: `tenant-${ids.length % 7}` });
      if (outcome.status !== "completed") wrong.push(`${id} ended as ${outcome.status}: ${outcome.error.message}`);
      else if (outcome.result.id !== id || outcome.result.nodes !== NODES)
        wrong.push(`${id} was answered with ${JSON.stringify(outcome.result)}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  return ids;
}

async function run({ kills, stops, leaders, seed, on }: Wanted): Promise<readonly string[]> {
  const random = seededRandom(seed);
  await using tested = await testedBackend(on);
  const { backend } = tested;
  await using client = cluster({ name: "kill", backend, partitions: PARTITIONS, leaseMs: LEASE_MS }).client();
  const wrong: string[] = [];
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
  let ids: string[];
  {
    await using fleet = new Fleet(tested);
    const calling = callOn(client, () => isOver, wrong);
    for (const [number, blow] of blows.entries()) {
      await new Promise((resolve) => setTimeout(resolve, BLOW_MS * (0.5 + random())));
      const index = Math.floor(random() * WORKERS);
      if (blow === "leader") await tested.killLeader?.();
      else await fleet[blow](index);
      if ((number + 1) % 10 === 0) process.stdout.write(`${number + 1} of ${blows.length} blows\n`);
    }
    isOver = true;
    ids = await calling;
    for (const id of ids.slice(0, AGAIN)) {
      const again = await client.outcome(
        line,
        { id, nodes: 0 },
        { id, tenant: `tenant-${(Number(id.slice(6)) + 1) % 7}` },
      );
      if (again.status !== "completed" || again.result.id !== id)
        wrong.push(`${id} was not told its first outcome again`);
    }
  }
  const counts = await countsOf(backend);
  for (const [node, count] of counts)
    if (count !== ids.length) wrong.push(`Node "${node}" has handled ${count} of ${ids.length} traces`);
  if (counts.size !== NODES) wrong.push(`${counts.size} of ${NODES} nodes have counts`);
  process.stdout.write(`${ids.length} traces, ${kills} kills, ${stops} stops, ${leaders} leaders\n`);
  return wrong;
}

/** Sums the counts of all partitions, once their leases have expired. */
async function countsOf(backend: ClusterBackend): Promise<ReadonlyMap<string, number>> {
  await new Promise((resolve) => setTimeout(resolve, LEASE_MS * 1.2));
  const sum = new Map<string, number>();
  for (let index = 0; index < PARTITIONS; index += 1) {
    const partition = await backend.checkpoints.open({
      partition: `kill/line@1/${index}`,
      owner: "checker",
      leaseMs: LEASE_MS,
    });
    for (const [node, count] of await partition.counts()) sum.set(node, (sum.get(node) ?? 0) + count);
    for await (const page of partition.read())
      for (const { traceId } of page) throw new Error(`Trace "${traceId}" was left`);
    await partition.close();
  }
  return sum;
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

const wrong = await run(wanted());
for (const fault of wrong.slice(0, 20)) process.stdout.write(`${fault}\n`);
process.stdout.write(wrong.length === 0 ? "Nothing lost, nothing doubled\n" : `${wrong.length} faults\n`);
process.exitCode = wrong.length === 0 ? 0 : 1;
