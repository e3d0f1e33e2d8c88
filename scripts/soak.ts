// Runs one flow for a long time under the faults of production. Checks that every trace ends as planned, that the
// tables of the runtime end empty, and that the heap stays flat: `npm run soak`, or with a size and a seed, `npm run
// soak -- --messages 200000 --traces 8000 --seed 7`. A seed plans the same faults for each trace again; their
// interleaving depends on the machine.
import {
  type Context,
  create,
  type EmitOptions,
  FinalAnswer,
  FlowError,
  type FlowErrorCode,
  joinK,
  type Message,
  type Outcome,
  type OutcomeStatus,
  payloadNode,
  predicateRouter,
  seededRandom,
  shape,
  WM,
} from "penguiflow";
import { Engine } from "../packages/core/src/engine/engine.ts";
import { statsOf } from "../packages/core/src/engine/flow-stats.ts";
import { readCommandLine, wholeNumber } from "./command-line.ts";
import { conclude as finish } from "./workspace.ts";

const MOST_IN_FLIGHT = 200;
const TENANTS = 20;
const MOST_PARTS = 12;
const RETRIES = 3;
const GRACE_MS = 10;
const KEPT_RESULTS = 2;
const MOST_LEFT_BEHIND = 100;
const STALL_MS = 30_000;
const SAMPLES = 50;
const WARM_UP_SAMPLES = 5;
const HEAP_ALLOWANCE_MB = 8;

const usage = `Usage: npm run soak -- [--messages n] [--traces n] [--seed n]

  --messages  number of handler calls, 5000000 when left out
  --traces    number of traces they are spread over, 200000 when left out
  --seed      plans the same faults again, 1 when left out

The exit status is 1 when a trace did not end as planned, or something was left behind.`;

const { values: given } = readCommandLine(usage, {
  messages: { type: "string", default: "5000000" },
  traces: { type: "string", default: "200000" },
  seed: { type: "string", default: "1" },
});
const wanted = {
  messages: wholeNumber("messages", given.messages),
  traces: wholeNumber("traces", given.traces),
  seed: wholeNumber("seed", given.seed),
};
const figures = { started: 0, handled: 0, retries: 0, timeouts: 0, cancels: 0, chunks: 0, givenUp: 0, forgotten: 0 };
const problems: string[] = [];

function problem(what: string, job?: Job): void {
  if (problems.length < 20) problems.push(job === undefined ? what : `Trace ${job.id} (${job.way}): ${what}`);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

// The plan of each trace. Payloads carry the job along, and its handlers record in it what they see.

type Job = ReturnType<typeof plan>;

function plan(id: number) {
  const random = seededRandom(Math.imul(wanted.seed, 0x9e3779b1) + id);
  const chance = (part: number): boolean => random() < part;
  const pick = <const Item>(...items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const from = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
  // fills the last trace up to the wanted number of messages
  const messages = (wanted.messages * 1.002 - figures.handled) / (wanted.traces - id + 1);
  return {
    id,
    parts: Math.min(Math.max(Math.round((messages - 4) / 4) + from(-1, 1), 1), MOST_PARTS),
    way: pick("call", "call", "outcome", "stream", "emit"),
    route: chance(0.02) ? "nowhere" : pick("plan", "plan", "ask", "conclude", "both"),
    hops: from(1, 5),
    budgetHops: chance(0.05) ? 2 : 8,
    chunks: from(0, 6),
    repeatsResult: chance(0.1),
    failsAt: chance(0.25) ? from(0, 2) : MOST_PARTS,
    failures: chance(0.1) ? RETRIES + 1 : from(1, RETRIES),
    slowAt: chance(0.06) ? from(0, 2) : MOST_PARTS,
    slowAttempts: chance(0.2) ? 2 : 1,
    // time the slow handler continues after abort; `undefined`: it stops
    deafMs: pick(undefined, 2, 4, 3 * GRACE_MS),
    interrupt: chance(0.15) ? pick("cancel", "signal", "deadline") : undefined,
    interruptMs: from(0, 12),
    isUnseen: chance(0.15),
    leavesAfter: chance(0.2) ? from(1, 6) : Number.POSITIVE_INFINITY,
    onLeave: pick("cancel", "cancel", "detach"),
    fetchMs: chance(0.2) ? from(0, 5) : undefined,
    givesUpBy: pick("timeout", "signal"),
    readsOne: chance(0.3),
    nextPart: 0,
    thoughts: 0,
  };
}

const resultsOf = (job: Job): number => (job.route === "both" ? 2 : 1) * (job.repeatsResult ? 2 : 1);

/** Returns the planned outcome of an uninterrupted job. */
function plannedEnd(job: Job): OutcomeStatus {
  if (job.failsAt < job.parts && job.failures > RETRIES) return "failed";
  if (job.slowAt < job.parts && job.slowAttempts > 1) return "failed";
  if (job.route === "nowhere") return "empty";
  return (job.route === "plan" || job.route === "both") && job.hops > job.budgetHops ? "exhausted" : "completed";
}

// The flow: fan-out and join, retries, timeouts, a router, a controller loop, a playbook, small queues on the edges.

type Part = { readonly job: Job; readonly index: number };
type Piece = Part & { readonly by: "flaky" | "slow" | "loose" };
type Report = { readonly job: Job; readonly by: "merge" | "think" | "ask"; readonly value: number };

/**
 * Engines whose tables `flow.stats()` omits: the playbook's, and the reservations on edges. A context leads to them.
 */
const engines = new Set<Engine>();
const noteEngine = (ctx: Context): unknown => engines.add(Engine.of(ctx) as Engine);

function handling(attempt = 1): void {
  figures.handled += 1;
  if (attempt > 1) figures.retries += 1;
}

const concurrency = 16;
const policy = { concurrency };

const split = payloadNode({ name: "split", policy }, async (job: Job, ctx): Promise<Part> => {
  handling();
  noteEngine(ctx);
  for (let index = 0; index < job.parts - 1; index += 1) await ctx.emit({ job, index });
  return { job, index: job.parts - 1 };
});

const sequence = payloadNode({ name: "sequence", policy }, (part: Part): Part | Promise<Part> => {
  handling();
  const { job, index } = part;
  if (job.nextPart !== index) problem(`part ${index} came when part ${job.nextPart} was due`, job);
  job.nextPart += 1;
  return index % 8 === 3 ? turn().then(() => part) : part;
});

const flaky = payloadNode(
  { name: "flaky", policy: { concurrency, maxRetries: RETRIES, backoffBaseMs: 1, maxBackoffMs: 2 } },
  ({ job, index }: Part, { attempt }): Piece => {
    handling(attempt);
    if (job.failsAt === index && attempt <= job.failures) throw new Error(`part ${index} is broken`);
    return { job, index, by: "flaky" };
  },
);

const slow = payloadNode(
  { name: "slow", policy: { concurrency, timeoutMs: 5, maxRetries: 1, backoffBaseMs: 0 } },
  async ({ job, index }: Part, { attempt, signal }): Promise<Piece> => {
    handling(attempt);
    if (job.slowAt === index && attempt <= job.slowAttempts) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      if ((signal.reason as FlowError).code === "NODE_TIMEOUT") figures.timeouts += 1;
      if (job.deafMs === undefined) throw signal.reason;
      await sleep(job.deafMs);
    }
    return { job, index, by: "slow" };
  },
);

const loose = payloadNode({ name: "loose", policy: { concurrency, ordering: "none" } }, ({ job, index }: Part) => {
  handling();
  const piece: Piece = { job, index, by: "loose" };
  // some handlers ignore their signal for some milliseconds
  return (job.id + index) % 40 === 0 ? sleep(1 + (index % 4)).then(() => piece) : piece;
});

const gather = joinK("gather", (first: Message<Piece>) => 3 * first.payload.job.parts, {
  input: shape<Piece>(),
  policy,
});

const merge = payloadNode({ name: "merge", policy }, async (pieces: Piece[], ctx): Promise<Report> => {
  handling();
  const { job } = pieces[0] as Piece;
  for (const by of ["flaky", "slow", "loose"]) {
    const indices = pieces.filter((piece) => piece.by === by && piece.job === job).map(({ index }) => index);
    if (by === "loose") indices.sort((one, other) => one - other);
    if (indices.length !== job.parts || indices.some((index, place) => index !== place))
      problem(`the join of ${job.parts} parts has ${indices.join()} from "${by}"`, job);
  }
  for (let count = 0; count < job.chunks; count += 1) await ctx.emitChunk({ text: `${job.id}:${count}` });
  return { job, by: "merge", value: job.parts };
});

const route = predicateRouter("route", ({ payload }: Message<Report>) => {
  handling();
  if (payload.job.route === "nowhere") return null;
  return payload.job.route === "both" ? (["plan", "ask"] as const) : payload.job.route;
});

const begin = payloadNode({ name: "plan", policy }, ({ job }: Report): WM<Job> => {
  handling();
  return new WM({ query: String(job.id), facts: [job], budgetHops: job.budgetHops });
});

const think = payloadNode({ name: "think", allowCycle: true, policy }, (memory: WM<Job>): WM<Job> | Report => {
  handling();
  const [job] = memory.facts as [Job];
  if (memory.hops !== job.thoughts) problem(`the controller is at hop ${memory.hops}, not ${job.thoughts}`, job);
  job.thoughts += 1;
  return job.thoughts === job.hops ? { job, by: "think", value: memory.hops + 1 } : memory.with({ tokensUsed: 1 });
});

const double = payloadNode("double", (job: Job, ctx): Report => {
  handling();
  noteEngine(ctx);
  return { job, by: "ask", value: job.parts * 2 };
});
const verified = payloadNode("verified", (report: Report): Report | Promise<Report> => {
  handling();
  return report.job.id % 10 === 0 ? turn().then(() => report) : report;
});
const playbook = create(double.to(verified), { name: "playbook", queueMaxSize: 8 });

const ask = payloadNode({ name: "ask", policy }, ({ job }: Report, ctx) => {
  handling();
  return ctx.callPlaybook(playbook, job);
});

const conclude = payloadNode({ name: "conclude", policy }, async (report: Report, ctx) => {
  handling();
  if (report.job.repeatsResult) await ctx.emit(report);
  return report;
});

const flow = create(
  split.to(sequence).to(flaky, slow, loose).to(gather).to(merge).to(route),
  route.to(begin, ask, conclude),
  begin.to(think),
  think.to(think, conclude),
  ask.to(conclude),
  {
    name: "soak",
    queueMaxSize: 8,
    streamWindow: 4,
    limits: { maxResults: KEPT_RESULTS },
    graceMs: GRACE_MS,
    tenantWeights: { "tenant-0": 4, "tenant-1": 2 },
    random: seededRandom(wanted.seed),
  },
).run();

// The ways to start a trace and to observe its end: by its outcome, by leaving its stream, or not at all.

type Seen = Outcome["status"] | "left" | "unseen";
type Options = EmitOptions<"split">;
type Emitted = { readonly job: Job; readonly traceId: string; readonly tenant: string | undefined };

const leftBehind: Emitted[] = [];
const seenBy: Record<Job["way"], Partial<Record<Seen, number>>> = { call: {}, outcome: {}, stream: {}, emit: {} };

function verify(job: Job, results: readonly Report[], count: number): void {
  if (results.length !== count) problem(`${results.length} results, not ${count}`, job);
  for (const { by, value, ...result } of results) {
    const right = { merge: job.parts, think: job.hops, ask: job.parts * 2 }[by];
    if (result.job !== job || value !== right) problem(`"${by}" has given ${value}, not ${right}`, job);
  }
}

const SEEN_AS: Partial<Record<FlowErrorCode, Seen>> = {
  TRACE_CANCELLED: "cancelled",
  DEADLINE_EXCEEDED: "exhausted",
  HOP_BUDGET_EXHAUSTED: "exhausted",
  NO_RESULT: "empty",
  NODE_EXCEPTION: "failed",
  NODE_TIMEOUT: "failed",
};

function seenAs(job: Job, error: unknown): Seen {
  const seen = error instanceof FlowError ? SEEN_AS[error.code] : undefined;
  if (seen === undefined) problem(String(error), job);
  return seen ?? "failed";
}

const ways: Record<Job["way"], (job: Job, options: Options) => Promise<Seen | undefined>> = {
  async call(job, options) {
    const promise = flow.call(job, options);
    if (job.isUnseen) {
      promise.catch(() => {});
      return "unseen";
    }
    verify(job, [await promise], 1);
    return "completed";
  },
  async outcome(job, options) {
    const promise = flow.outcome(job, options);
    if (job.isUnseen) return "unseen";
    const { status, results, droppedResults } = await promise;
    if (status === "completed") verify(job, results, Math.min(resultsOf(job) - droppedResults, KEPT_RESULTS));
    return status;
  },
  async stream(job, options) {
    const results: Report[] = [];
    let chunks = 0;
    let items = 0;
    for await (const item of flow.stream(job, { ...options, onLeave: job.onLeave })) {
      if (item.type === "result") results.push(item.result);
      else if (item.type === "chunk" && item.chunk.text !== "") {
        if (item.chunk.text !== `${job.id}:${chunks}`) problem(`chunk ${chunks} is "${item.chunk.text}"`, job);
        chunks += 1;
      }
      items += 1;
      if (items >= job.leavesAfter) return "left";
    }
    figures.chunks += chunks;
    verify(job, results, resultsOf(job));
    if (chunks !== job.chunks) problem(`${chunks} chunks, not ${job.chunks}`, job);
    return "completed";
  },
  async emit(job, options) {
    const emitted = { job, tenant: options.tenant, traceId: await flow.emit(job, options) };
    const { fetchMs } = job;
    if (fetchMs === undefined) return await fetchFrom(emitted);
    try {
      return await fetchFrom(
        emitted,
        job.givesUpBy === "timeout" ? { timeoutMs: fetchMs } : { signal: AbortSignal.timeout(fetchMs) },
      );
    } catch (error) {
      const { code } = error as FlowError;
      if (code !== "WAIT_TIMEOUT" && code !== "WAIT_ABORTED") throw error;
    }
    // an abandoned fetch must leave its result for a later one
    figures.givenUp += 1;
    leftBehind.push(emitted);
    if (leftBehind.length > MOST_LEFT_BEHIND) await fetchLeftBehind();
    return undefined;
  },
};

/** Fetches all results of a trace, or one, as a caller does that forgets the others. */
async function fetchFrom({ job, traceId, tenant }: Emitted, limit = {}): Promise<Seen> {
  const isOne = job.readsOne || job.fetchMs !== undefined || job.interrupt !== undefined;
  const results: Report[] = [];
  while (results.length < (isOne ? 1 : resultsOf(job))) {
    const { payload } = (await flow.fetch({ traceId, tenant, ...limit })) as Message;
    if (payload instanceof FinalAnswer) return "exhausted";
    verify(job, [payload as Report], 1);
    results.push(payload as Report);
  }
  return "completed";
}

async function fetchLeftBehind(): Promise<void> {
  const oldest = leftBehind.shift() as Emitted;
  settled(oldest.job, await fetchFrom(oldest).catch((error: unknown) => seenAs(oldest.job, error)));
}

function settled(job: Job, seen: Seen): void {
  seenBy[job.way][seen] = (seenBy[job.way][seen] ?? 0) + 1;
  const allowed: Seen[] = [plannedEnd(job), "left", "unseen"];
  if (job.interrupt !== undefined) allowed.push(job.interrupt === "deadline" ? "exhausted" : "cancelled");
  // a fetch gets the answer of one branch before the other is exhausted
  if (job.way === "emit" && job.route === "both" && job.hops > job.budgetHops) allowed.push("completed");
  if (!allowed.includes(seen)) problem(`ended "${seen}", not ${allowed.slice(0, -2).join(" or ")}`, job);
}

async function live(job: Job): Promise<void> {
  const { interrupt, interruptMs } = job;
  const tenant = `tenant-${job.id % TENANTS}`;
  const traceId = interrupt === "cancel" || job.id % 2 === 0 ? `soak-${job.id}` : undefined;
  const controller = interrupt === "signal" ? new AbortController() : undefined;
  // a deadline that is never reached has a timer, which must be released with its trace
  const farMs = job.id % 3 === 0 ? 600_000 : undefined;
  const timeoutMs = interrupt === "deadline" ? interruptMs : farMs;
  const options = { tenant, traceId, priority: job.id % 3, signal: controller?.signal, timeoutMs };
  const ending = ways[job.way](job, options).catch((error: unknown) => seenAs(job, error));
  if (interrupt === "cancel" || interrupt === "signal") {
    if (interruptMs > 0) await sleep(interruptMs);
    figures.cancels += 1;
    controller?.abort();
    if (interrupt === "cancel") await flow.cancel(`soak-${job.id}`, { tenant });
  }
  const seen = await ending;
  if (seen !== undefined) settled(job, seen);
}

// The run: bounded, observed, measured.

const heapMb: number[] = [];
const startedAt = performance.now();
let busy = 0;

function sampleHeap(): void {
  if (globalThis.gc === undefined) {
    process.stderr.write('Cannot measure the heap without "--expose-gc": use "npm run soak"\n');
    process.exit(2);
  }
  globalThis.gc();
  heapMb.push(process.memoryUsage().heapUsed / 2 ** 20);
  const { isTTY } = process.stdout;
  if (!isTTY && heapMb.length % (SAMPLES / 10) !== 0) return;
  const perSecond = Math.round(figures.handled / ((performance.now() - startedAt) / 1000));
  const line = `${(heapMb.length / SAMPLES) * 100} %: ${figures.started} traces, ${figures.handled} messages, ${perSecond} messages/s, heap ${heapMb.at(-1)?.toFixed(1)} MB`;
  process.stdout.write(isTTY ? `\r\u001B[2K${line}` : `${line}\n`);
}

/** Waits for a condition, turn by turn. A flow that makes no progress for long counts as hanging. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  let before = -1;
  let movedAt = performance.now();
  while (!isSo()) {
    await turn();
    const now = performance.now();
    if (before !== figures.handled) movedAt = now;
    else if (now - movedAt > STALL_MS) throw new Error(`The flow hangs, and ${what}: ${JSON.stringify(flow.stats())}`);
    before = figures.handled;
  }
}

async function soak(): Promise<void> {
  for (let id = 1; id <= wanted.traces; id += 1) {
    figures.started += 1;
    busy += 1;
    void live(plan(id)).finally(() => (busy -= 1));
    await until("traces wait", () => busy < MOST_IN_FLIGHT && flow.stats().traces < MOST_IN_FLIGHT);
    while (heapMb.length < Math.floor((id / wanted.traces) * SAMPLES)) sampleHeap();
  }
  await until("callers wait", () => busy === 0);
  while (leftBehind.length > 0) await fetchLeftBehind();
  await until("traces have not ended", () => flow.stats().traces === 0);
  for (; flow.stats().unreadResults > 0; figures.forgotten += 1) await flow.fetch();
  // handlers that ignore their signal take a little longer
  await sleep(20 * GRACE_MS);
}

/** Reads the sizes of the runtime's tables, those of the playbook included. */
function held(): Record<string, number> {
  const sum = <Item>(items: readonly Item[], count: (item: Item) => number): number =>
    items.reduce((total, item) => total + count(item), 0);
  const stats = [...engines].map(statsOf);
  const nodes = stats.flatMap((one) => one.nodes);
  const edges = [...engines].flatMap((engine) => engine.workshop.edges);
  return {
    traces: sum(stats, (one) => one.traces),
    ...Object.fromEntries(
      (["queued", "running", "blocked", "parked", "lingering", "zombies"] as const).map((what) => [
        `nodes: ${what}`,
        sum(nodes, (node) => node[what]),
      ]),
    ),
    "nodes: groups": sum(nodes, (node) => node.groups.length),
    "edges: size": sum(edges, (edge) => edge.size),
    "edges: waiting": sum(edges, (edge) => edge.waiting.size),
    "edges: reserved": sum(edges, (edge) => edge.reserved),
    "loop: population": sum(edges, (edge) => edge.target.ring?.population ?? 0),
    "unread results": sum(stats, (one) => one.unreadResults),
    fetchers: sum(stats, (one) => one.fetchers),
    timers: sum(stats, (one) => one.timers),
  };
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

function print(title: string, rows: Readonly<Record<string, string | number>>): void {
  const lines = Object.entries(rows).map(([name, value]) => `  ${name.padEnd(26)}${value}\n`);
  process.stdout.write(`\n${title}\n${lines.join("")}`);
}

function conclusion(): void {
  const { outcomes, accepted, lateResults, droppedResults, zombies } = flow.stats();
  const listed = (counts: Readonly<Record<string, number>>): string =>
    `${total(counts)} = ${Object.entries(counts)
      .map(([how, count]) => `${count} ${how}`)
      .join(" + ")}`;
  const seen = Object.values(seenBy).reduce((sum, counts) => sum + total(counts), 0);
  const steady = heapMb.slice(WARM_UP_SAMPLES);
  const third = Math.floor(steady.length / 3);
  const first = median(steady.slice(0, third));
  const last = median(steady.slice(-third));
  const growth = (last - first).toFixed(1);
  const { started, forgotten, givenUp, ...counts } = figures;
  const happened = { ...counts, "fetches given up": givenUp, "late results": lateResults, zombies };
  const tables = held();

  print("Traces, by how their callers saw them end", {
    ...Object.fromEntries(Object.entries(seenBy).map(([way, ends]) => [way, listed(ends)])),
    all: `${seen} of ${started} started`,
    "according to the runtime": listed(outcomes),
  });
  print("Messages", { ...happened, "dropped results": droppedResults, "results left unread": forgotten });
  print("Heap after a collection, MB", { "first third": first.toFixed(1), "last third": last.toFixed(1), growth });
  print("Left in the tables of the runtime", tables);
  process.stdout.write("\n");

  if (seen !== started) problem(`Only ${seen} of ${started} traces were seen to end`);
  if (accepted !== started || total(outcomes) !== started) problem(`The runtime has ended ${listed(outcomes)} traces`);
  if (figures.handled < wanted.messages) problem(`Only ${figures.handled} messages were handled`);
  for (const [what, count] of Object.entries(tables)) if (count !== 0) problem(`Left in the tables, ${what}: ${count}`);
  for (const [what, count] of Object.entries(happened)) if (count === 0) problem(`Nothing proven: no ${what}`);
  if (heapMb.length === SAMPLES && last > first + HEAP_ALLOWANCE_MB)
    problem(`The heap has grown by ${growth} MB; ${HEAP_ALLOWANCE_MB} are allowed`);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  finish(
    problems,
    `All is well after ${seconds} s: every trace ended as planned, the tables are empty, the heap is flat`,
  );
}

try {
  await soak();
} catch (error) {
  problem(String(error));
}
if (process.stdout.isTTY) process.stdout.write("\n");
conclusion();
// handlers and callers of a hanging flow would keep the process alive
process.exit();
