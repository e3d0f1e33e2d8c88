// Serves tasks over real connections, JSON-RPC, HTTP+JSON and gRPC in turn: `npm run soak:a2a`, or `npm run soak:a2a --
// --tasks 50000`. Clients send, stream, subscribe, answer, cancel, repeat messages and disconnect, some without reading
// a byte of an endless task. Checks that each task ends as planned, that no work is left afterwards, and that the heap
// stays flat and below a bound.
import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { A2AClientTransport, type Binding } from "@penguiflow/a2a/client";
import { A2AServerAdapter, createA2AApp, MemoryTaskStore } from "@penguiflow/a2a/server";
import {
  create,
  FlowError,
  Message,
  payloadNode,
  type RemoteCallRequest,
  type RemoteStreamEvent,
  type RemoteTask,
} from "penguiflow";
import { readCommandLine, wholeNumber } from "./command-line.ts";
import { conclude } from "./workspace.ts";

const MOST_IN_FLIGHT = 32;
const KEPT = 500;
const ROUND = 1_000;
const WARM_UP_ROUNDS = 2;
const PATIENCE_MS = 30_000;
const HEAP_ALLOWANCE_MB = 2;
const HEAP_BOUND_MB = 96;
const TENANTS = 10;
/** Limits of an abandoned task: its text, each write, and the total kept for finished tasks. */
const LEFT_LIMIT = "1mb";
const LEFT_PIECE = 32 * 2 ** 10;
const LEFT_BYTES = 8 * 2 ** 20;

const usage = `Usage: npm run soak:a2a -- [--tasks n]

  --tasks  number of tasks, 10000 when left out

The exit status is 1 when a task did not end as planned, or something was left behind.`;

const { values: given } = readCommandLine(usage, { tasks: { type: "string", default: "10000" } });
const wanted = wholeNumber("tasks", given.tasks, 2 * WARM_UP_ROUNDS * ROUND);
const { gc } = globalThis;
if (gc === undefined) {
  process.stderr.write('Cannot measure the heap without "--expose-gc": use "npm run soak:a2a"\n');
  process.exit(2);
}

const problems: string[] = [];
const heapMb: number[] = [];
const startedAt = performance.now();

// The flow: the message it receives decides its behaviour.

interface Job {
  readonly id: number;
  readonly way: keyof typeof ways;
}

/** Handlers of the jobs that are to be aborted. */
const watched = new Map<
  number,
  { readonly begun: PromiseWithResolvers<string>; readonly stopped: PromiseWithResolvers<void> }
>();

const work = payloadNode({ name: "work", policy: { concurrency: MOST_IN_FLIGHT * 2 } }, async (job: Job, ctx) => {
  for (let count = 0; count < 1 + (job.id % 4); count += 1) await ctx.emitChunk({ text: `${job.id}:${count} ` });
  if (job.way === "fail") throw new Error("planned failure");
  if (job.way === "answer") return `${job.id} ${await ctx.pause<string>({ reason: "And?" })}`;
  if (job.way === "cancel" || job.way === "leave" || job.way === "hangUp") {
    watched.get(job.id)?.begun.resolve(ctx.traceId);
    await ctx.sleep(PATIENCE_MS).finally(() => watched.get(job.id)?.stopped.resolve());
    throw new Error("Nothing stopped this handler");
  }
  if (job.way === "leaveUnread") {
    watched.get(job.id)?.begun.resolve(ctx.traceId);
    const text = String.fromCodePoint(97 + (job.id % 26)).repeat(LEFT_PIECE);
    try {
      while (!ctx.signal.aborted) await ctx.emitChunk({ text });
    } finally {
      watched.get(job.id)?.stopped.resolve();
    }
  }
  return `${job.id} done`;
});
const flow = create(work.to());
const taskStore = new MemoryTaskStore({ maxFinished: KEPT });
const skills = [{ id: "work", description: "What it is told" }];
const card = { name: "soaked", description: "Works", version: "1", skills };
const adapter = new A2AServerAdapter(flow, { card, taskStore, onClientGone: "cancel" });
const app = createA2AApp(adapter, { handleSignals: false, grpc: {} });
const agentUrl = await app.listen();

// The same flow behind an adapter whose tasks continue when their client disconnects.
const leftStore = new MemoryTaskStore({ maxFinished: KEPT, maxFinishedBytes: LEFT_BYTES });
const leftAdapter = new A2AServerAdapter(flow, { card, taskStore: leftStore, textLimit: LEFT_LIMIT });
const leftApp = createA2AApp(leftAdapter, { handleSignals: false });
const leftUrl = await leftApp.listen();

// The clients.

const bindings: readonly Binding[] = ["JSONRPC", "HTTP+JSON", "GRPC"];
const transports = bindings.map((binding) => new A2AClientTransport({ bindings: [binding] }));
const transportOf = ({ id }: Job): A2AClientTransport => transports[id % transports.length] as A2AClientTransport;
const tenantOf = ({ id }: Job): string => `tenant ${id % TENANTS}`;

function requestOf(job: Job, more: Partial<RemoteCallRequest> = {}): RemoteCallRequest {
  const message = new Message<unknown>({ payload: job, headers: { tenant: tenantOf(job) } });
  const { signal } = new AbortController();
  return { message, agentUrl, skill: "work", idempotencyKey: message.traceId, signal, ...more };
}

/** Reads a stream and returns its last event. */
async function endOf(events: AsyncIterable<RemoteStreamEvent>): Promise<RemoteStreamEvent> {
  for await (const event of events) if (event.done) return event;
  throw new Error("The stream ended without a last event");
}

/** Returns the error code that a call rejects with. */
async function failureOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof FlowError ? `${error.code} ${String(error.details?.["code"])}` : String(error);
}

/** Sends a plain call, which waits for the end of its task. */
async function post(job: Job, signal: AbortSignal | null = null): Promise<unknown> {
  const message = { role: "ROLE_USER", messageId: crypto.randomUUID(), parts: [{ data: job }] };
  const response = await fetch(`${agentUrl}/a2a/rest/message:send`, {
    method: "POST",
    headers: { "content-type": "application/json", "A2A-Version": "1.0" },
    body: JSON.stringify({ message, tenant: tenantOf(job) }),
    signal,
  });
  const { task } = (await response.json()) as { readonly task: { readonly status: { readonly state: string } } };
  return task.status.state;
}

const CANCELLED = "REMOTE_FAILED TRACE_CANCELLED";

/** Requests a stream without reading it. */
async function askUnread(job: Job): Promise<() => void> {
  const { hostname, port } = new URL(leftUrl);
  const socket = connect(Number(port), hostname).pause();
  socket.on("error", () => {});
  await once(socket, "connect");
  const message = { role: "ROLE_USER", messageId: crypto.randomUUID(), parts: [{ data: job }] };
  const params = { message, tenant: tenantOf(job) };
  const body = JSON.stringify({ jsonrpc: "2.0", id: job.id, method: "SendStreamingMessage", params });
  const head = ["POST /a2a/jsonrpc HTTP/1.1", "Host: x", "A2A-Version: 1.0", "Content-Type: application/json"];
  socket.write([...head, `Content-Length: ${body.length}`, "", body].join("\r\n"));
  return () => void socket.destroy();
}

/** Waits until an abandoned task is over; returns its state and error code. */
async function endOfLeft(job: Job, taskId: string): Promise<string> {
  const url = `${leftUrl}/a2a/rest/${encodeURIComponent(tenantOf(job))}/tasks/${taskId}`;
  for (;;) {
    const response = await fetch(url, { headers: { "A2A-Version": "1.0" } });
    // a thousand later tasks may have pushed this one out of the store
    if (response.status === 404) return LEFT;
    const task = (await response.json()) as {
      readonly status: { readonly state: string };
      readonly metadata: Readonly<Record<string, { readonly code?: string }>>;
    };
    if (task.status.state !== "TASK_STATE_WORKING")
      return `${task.status.state} ${task.metadata["urn:penguiflow:a2a:1"]?.code}`;
    await turn();
  }
}

const LEFT = "TASK_STATE_FAILED PAYLOAD_TOO_LARGE";

/** Client behaviours; each returns the result it got and the one it expected. */
const ways = {
  send: async (job: Job) => [await post(job), "TASK_STATE_COMPLETED"],
  stream: async (job: Job) => [(await endOf(transportOf(job).stream(requestOf(job)))).result, `${job.id} done`],
  fail: async (job: Job) => [await failureOf(transportOf(job).send(requestOf(job))), "REMOTE_FAILED NODE_EXCEPTION"],
  async twice(job: Job) {
    const request = requestOf(job);
    const [one, other] = await Promise.all([transportOf(job).send(request), transportOf(job).send(request)]);
    return [one.taskId, other.taskId];
  },
  async answer(job: Job) {
    const { taskId = "", contextId = "" } = await transportOf(job).send(requestOf(job));
    const message = new Message<unknown>({ payload: "fine", headers: { tenant: tenantOf(job) } });
    const answered = await transportOf(job).send(requestOf(job, { message, continues: { taskId, contextId } }));
    return [answered.result, `${job.id} fine`];
  },
  async cancel(job: Job) {
    const task = Promise.withResolvers<RemoteTask>();
    const onTask = ({ taskId }: { readonly taskId: string }): void =>
      task.resolve({ tenant: tenantOf(job), agentUrl, taskId });
    const call = failureOf(transportOf(job).send(requestOf(job, { onTask })));
    const { signal } = new AbortController();
    const following = transportOf(job).resubscribe(await task.promise, { signal });
    await following.next();
    await transportOf(job).cancel(await task.promise);
    return [`${await failureOf(endOf(following))}, ${await call}`, `${CANCELLED}, ${CANCELLED}`];
  },
  async leave(job: Job) {
    for await (const { text } of transportOf(job).stream(requestOf(job))) if (text !== undefined) break;
    return [];
  },
  async hangUp(job: Job) {
    const leaving = new AbortController();
    const call = failureOf(post(job, leaving.signal));
    await watched.get(job.id)?.begun.promise;
    leaving.abort();
    return [(await call).split(":")[0], "AbortError"];
  },
  async leaveUnread(job: Job) {
    const leave = await askUnread(job);
    const taskId = (await watched.get(job.id)?.begun.promise) ?? "";
    leave();
    await watched.get(job.id)?.stopped.promise;
    return [await endOfLeft(job, taskId), LEFT];
  },
} satisfies Record<string, (job: Job) => Promise<readonly unknown[]>>;

const names = Object.keys(ways) as Job["way"][];

async function live(id: number): Promise<void> {
  const way = names[id % names.length] as Job["way"];
  const isStopped = way === "cancel" || way === "leave" || way === "hangUp" || way === "leaveUnread";
  if (isStopped) watched.set(id, { begun: Promise.withResolvers(), stopped: Promise.withResolvers() });
  const [came, wished] = await ways[way]({ id, way });
  await watched.get(id)?.stopped.promise;
  watched.delete(id);
  if (came !== wished && problems.length < 20) problems.push(`Task ${id} (${way}): ${String(came)}`);
}

/** Runs a thousand tasks with bounded concurrency and measures what they leave behind. */
async function round(first: number): Promise<void> {
  let next = first;
  const client = async (): Promise<void> => {
    for (let id = next; id < first + ROUND; id = next) {
      next += 1;
      busy.add(id);
      await live(id);
      busy.delete(id);
    }
  };
  const busy = new Set<number>();
  const patience = setTimeout(() => {
    const waits = [...busy].map((id) => `${id} (${names[id % names.length]})`);
    conclude([...problems, `Hangs: ${waits.join(", ") || JSON.stringify(flow.stats())}`], "");
    process.exit();
  }, PATIENCE_MS);
  await Promise.all(Array.from({ length: MOST_IN_FLIGHT }, client));
  while (!adapter.isQuiet || !leftAdapter.isQuiet || flow.stats().traces > 0) await turn();
  clearTimeout(patience);
  if (taskStore.size > KEPT) problems.push(`The store keeps ${taskStore.size} tasks; expected ${KEPT}`);
  gc?.();
  heapMb.push(process.memoryUsage().heapUsed / 2 ** 20);
  const done = first + ROUND;
  const perSecond = Math.round(done / ((performance.now() - startedAt) / 1000));
  process.stdout.write(`${done} tasks: heap ${heapMb.at(-1)?.toFixed(1)} MB, ${perSecond} tasks/s\n`);
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;

for (let first = 0; first + ROUND <= wanted; first += ROUND) await round(first);
await Promise.all([app.close(), leftApp.close()]);
const steady = heapMb.slice(WARM_UP_ROUNDS);
const third = Math.ceil(steady.length / 3);
const growth = median(steady.slice(-third)) - median(steady.slice(0, third));
if (growth > HEAP_ALLOWANCE_MB)
  problems.push(`The heap has grown by ${growth.toFixed(1)} MB; ${HEAP_ALLOWANCE_MB} are allowed`);
const most = Math.max(...heapMb);
if (most > HEAP_BOUND_MB) problems.push(`The heap was ${most.toFixed(1)} MB; ${HEAP_BOUND_MB} are allowed`);
const heap = `the heap has grown by ${growth.toFixed(1)} MB, and was ${most.toFixed(1)} MB at most`;
conclude(problems, `All is well: ${wanted} tasks ended as planned, ${heap}`);
