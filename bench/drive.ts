// Closed-loop clients: `window` of them, each waiting for its answer before it sends the next request.
import type { Closable, Measurement, Timing } from "./contract.ts";
import type { Payload } from "./envelope.ts";

/** Takes one request through the whole rig and returns its answer. */
export interface RequestRig<Answer> extends Closable {
  request(payload: Payload): Promise<Answer>;
}

/** Counters that handlers increase on every run. */
export interface Tally {
  hops: number;
}

/** Requests, their concurrency, and the check of their answers. */
export interface Load<Answer> {
  /** Requests in flight at any moment. */
  readonly window: number;
  /** Handler runs per request. */
  readonly hopsPerRequest: number;
  readonly tally: Tally;
  /** Whether the answer is the one to request `id`. */
  isRight(answer: Answer, id: number): boolean;
}

/** Measures how long `total` requests took, and each single one when `latencies` is given. */
async function drive<Answer>(
  rig: RequestRig<Answer>,
  { window, isRight }: Load<Answer>,
  total: number,
  latencies?: Float64Array,
): Promise<number> {
  const startedAt = performance.now();
  let next = 0;
  let answered = 0;
  const client = async () => {
    while (next < total) {
      const id = next++;
      const askedAt = latencies === undefined ? 0 : performance.now();
      const answer = await rig.request({ id, text: "penguins" });
      if (latencies !== undefined) latencies[id] = performance.now() - askedAt;
      if (!isRight(answer, id)) throw new Error(`Wrong answer to request "${id}": ${JSON.stringify(answer)}`);
      answered += 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(window, total) }, client));
  if (answered !== total) throw new Error(`Wrong count: expected ${total} answers, got ${answered}`);
  return performance.now() - startedAt;
}

/** Results of one measured stretch. */
export interface Stretch {
  readonly requests: number;
  readonly elapsedMs: number;
  readonly processorShare: number;
  /** Processor time of the whole process, in microseconds. */
  readonly processorUs: number;
}

/**
 * Starts to measure the processor time of the whole process: garbage collection and compilation are part of the work.
 */
export function processorTime(): () => number {
  const from = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(from);
    return user + system;
  };
}

/**
 * Makes `requests` requests, counts the handler runs and measures the time; after a garbage collection unless told
 * otherwise.
 */
export async function stretch<Answer>(
  rig: RequestRig<Answer>,
  load: Load<Answer>,
  requests: number,
  { latencies, collect = true }: { readonly latencies?: Float64Array; readonly collect?: boolean } = {},
): Promise<Stretch> {
  if (collect) globalThis.gc?.();
  load.tally.hops = 0;
  const processorUs = processorTime();
  const processorAt = process.threadCpuUsage();
  const elapsedMs = await drive(rig, load, requests, latencies);
  const { user, system } = process.threadCpuUsage(processorAt);
  const spentUs = processorUs();
  const hops = requests * load.hopsPerRequest;
  if (load.tally.hops !== hops) throw new Error(`Wrong count: expected ${hops} hops, got ${load.tally.hops}`);
  return { requests, elapsedMs, processorShare: (user + system) / 1_000 / elapsedMs, processorUs: spentUs };
}

/** Factor by which a run may exceed its plan while other programs occupy the processor. */
const patience = 4;

/**
 * Measures the time that counts: the thread's processor time, or a share of the elapsed time where it waits for more
 * than a processor.
 */
export function busyTime(): () => number {
  const startedAt = performance.now();
  const processorAt = process.threadCpuUsage();
  return () => {
    const { user, system } = process.threadCpuUsage(processorAt);
    return Math.max((user + system) / 1_000, (performance.now() - startedAt) / patience);
  };
}

/**
 * Doubles the batch until the warm-up time is used up, so that a busy machine, too, compiles the code before it is
 * measured. Returns the rate per ms of the last, warmest batch.
 */
async function warmUp<Answer>(rig: RequestRig<Answer>, load: Load<Answer>, warmUpMs: number): Promise<number> {
  const warmMs = busyTime();
  for (let batch = Math.min(16, load.window); ; batch *= 2) {
    const batchMs = busyTime();
    await drive(rig, load, batch);
    if (warmMs() >= warmUpMs) return batch / batchMs();
  }
}

/** Warms up and computes how many requests take about `measureMs`: at least as many as the window holds. */
async function prepare<Answer>(rig: RequestRig<Answer>, load: Load<Answer>, timing: Timing): Promise<number> {
  const rate = await warmUp(rig, load, timing.warmUpMs);
  return Math.max(1, Math.round((rate * timing.measureMs) / load.window)) * load.window;
}

/** Measures the handler runs per second. */
export async function measureRate<Answer>(
  rig: RequestRig<Answer>,
  load: Load<Answer>,
  timing: Timing,
): Promise<Measurement> {
  const requests = await prepare(rig, load, timing);
  const { elapsedMs, processorShare, processorUs } = await stretch(rig, load, requests);
  const figures = { "hops/s": (requests * load.hopsPerRequest * 1_000) / elapsedMs };
  return { figures, requests, processorShare, processorUs: processorUs / requests };
}

/** Measures the processor time of the whole process for a request, and the requests per second. */
export async function measureProcessor<Answer>(
  rig: RequestRig<Answer>,
  load: Load<Answer>,
  timing: Timing,
): Promise<Measurement> {
  const requests = await prepare(rig, load, timing);
  // a forced collection throws away compiled code for shapes of which no object is left: it is compiled again before it counts
  await stretch(rig, load, requests);
  const { elapsedMs, processorShare, processorUs } = await stretch(rig, load, requests, { collect: false });
  const figures = { "CPU µs/run": processorUs / requests, "runs/s": (requests * 1_000) / elapsedMs };
  return { figures, requests, processorShare, processorUs: processorUs / requests };
}

/**
 * Sends as many requests at once as the window holds, and again when all are answered. Measures handler runs per second
 * and the latency within a burst. Reports the median burst: another program's turn or a garbage collection is longer
 * than a burst.
 */
export async function measureBursts<Answer>(
  rig: RequestRig<Answer>,
  load: Load<Answer>,
  timing: Timing,
): Promise<Measurement> {
  const requests = await prepare(rig, load, timing);
  const latencies = new Float64Array(load.window);
  const bursts: (Pick<Stretch, "elapsedMs" | "processorUs"> & { readonly p50: number; readonly p99: number })[] = [];
  globalThis.gc?.();
  const startedAt = performance.now();
  const processorAt = process.threadCpuUsage();
  while (bursts.length * load.window < requests) {
    const { elapsedMs, processorUs } = await stretch(rig, load, load.window, { latencies, collect: false });
    const sorted = latencies.toSorted();
    const at = (part: number) => sorted[Math.floor(load.window * part)]!;
    bursts.push({ elapsedMs, processorUs, p50: at(0.5), p99: at(0.99) });
  }
  const { user, system } = process.threadCpuUsage(processorAt);
  const processorShare = (user + system) / 1_000 / (performance.now() - startedAt);
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
  const figures = {
    "hops/s": (requests * load.hopsPerRequest * 1_000) / bursts.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0),
    "p50 ms": median(bursts.map(({ p50 }) => p50)),
    "p99 ms": median(bursts.map(({ p99 }) => p99)),
    "p99 / p50": median(bursts.map(({ p50, p99 }) => p99 / p50)),
  };
  const spentUs = bursts.reduce((sum, { processorUs }) => sum + processorUs, 0);
  return { figures, requests, processorShare, processorUs: spentUs / (bursts.length * load.window) };
}
