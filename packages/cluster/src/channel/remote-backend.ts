import type {
  CheckpointBatch,
  CheckpointFilter,
  CheckpointPartition,
  LeaseRequest,
  SharedLeaseRequest,
  SharingCheckpointStore,
  TraceKey,
} from "penguiflow";
import {
  type BackendFigures,
  type ClusterBackend,
  type Intake,
  type IntakeLimit,
  type Offer,
  type Registry,
  type ResultKey,
  type ResultStore,
  type StoredResult,
  type Wire,
  partitionFenced,
} from "penguiflow/adapter";
import { readError } from "penguiflow/durable";
import type { Channel, PortName, Reply, Request } from "./message.ts";

interface Opened {
  readonly handle: number;
  readonly id: string;
  readonly fencingToken: number;
  readonly sequence: number;
}

/** Uses the backend of another process, which serves it with `hostBackend` at the other end of the channel. */
export function remoteBackend(channel: Channel): ClusterBackend {
  const calls = new Calls(channel);
  return {
    checkpoints: checkpointsOver(calls),
    intake: intakeOver(calls),
    results: resultsOver(calls),
    registry: registryOver(calls),
    wire: wireOver(calls),
    limits: { offerBytes: 16_777_216 },
    figures: () => calls.call<BackendFigures>("figures", "read", []),
    [Symbol.asyncDispose]: async () => calls[Symbol.dispose](),
  };
}

/** Requests under way, and subscriptions. */
class Calls implements Disposable {
  readonly #channel: Channel;
  readonly #waiting = new Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (error: unknown) => void }
  >();
  readonly #listeners = new Map<number, (reply: Reply) => void>();
  readonly #receiving: Disposable;
  #last = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
    this.#receiving = channel.receive((message) => this.#take(message as Reply));
  }

  async call<Value>(port: PortName, method: string, args: readonly unknown[], handle?: number): Promise<Value> {
    const call = this.#next();
    return await this.ask<Value>(call, { kind: "call", call, port, method, args, handle });
  }

  ask<Value>(call: number, request: Request): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve: resolve as (value: unknown) => void, reject });
      this.#channel.send(request);
    });
  }

  /** Reads an intake. The signal stays here: only its abort is sent. */
  async read<Value>(args: readonly unknown[], signal: AbortSignal): Promise<Value> {
    const call = this.#next();
    const abort = (): void => this.tell({ kind: "abort", call });
    signal.addEventListener("abort", abort, { once: true });
    try {
      const read = this.ask<Value>(call, { kind: "call", call, port: "intake", method: "read", args });
      if (signal.aborted) abort();
      return await read;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  tell(request: Request): void {
    this.#channel.send(request);
  }

  /** Opens a subscription with a request, and returns the function that ends it. */
  listen(listener: (reply: Reply) => void): { readonly subscription: number; readonly end: () => void } {
    const subscription = this.#next();
    this.#listeners.set(subscription, listener);
    const end = (): void => {
      if (this.#listeners.delete(subscription)) this.tell({ kind: "unsubscribe", subscription });
    };
    return { subscription, end };
  }

  newCall(): number {
    return this.#next();
  }

  [Symbol.dispose](): void {
    this.#receiving[Symbol.dispose]();
    for (const { reject } of this.#waiting.values()) reject(new Error("The connection to the backend was closed"));
    this.#waiting.clear();
    this.#listeners.clear();
  }

  #next(): number {
    this.#last += 1;
    return this.#last;
  }

  #take(reply: Reply): void {
    if (reply.kind === "body" || reply.kind === "change") {
      this.#listeners.get(reply.subscription)?.(reply);
      return;
    }
    const waiting = this.#waiting.get(reply.call);
    this.#waiting.delete(reply.call);
    if (reply.kind === "value") waiting?.resolve(reply.value);
    else waiting?.reject(readError(reply.error));
  }
}

function checkpointsOver(calls: Calls): SharingCheckpointStore {
  return {
    async share(request: SharedLeaseRequest) {
      const id = await calls.call<string>("checkpoints", "share", [request]);
      return {
        id,
        renew: () => calls.call("lease", "renew", [id]),
        close: () => calls.call("lease", "close", [id]),
      };
    },
    async open(lease: LeaseRequest) {
      const opened = await calls.call<Opened>("checkpoints", "open", [lease]);
      return partitionOver(calls, lease.partition, opened);
    },
  };
}

function partitionOver(
  calls: Calls,
  name: string,
  { handle, id, fencingToken, sequence }: Opened,
): CheckpointPartition {
  let isClosed = false;
  let closing: Promise<void> | undefined;
  const call = async <Value>(method: string, ...args: readonly unknown[]): Promise<Value> => {
    if (isClosed) throw partitionFenced(name, "it was closed");
    return await calls.call<Value>("partition", method, args, handle);
  };
  let last = sequence;
  return {
    id,
    fencingToken,
    get sequence() {
      return last;
    },
    async *read(filter?: CheckpointFilter) {
      yield* await call<readonly (readonly never[])[]>("read", filter);
    },
    countAtRest: () => call("countAtRest"),
    nextDueAt: (after) => call("nextDueAt", after),
    readLog: (run) => call("readLog", run),
    counts: () => call("counts"),
    outcomes: (keys: readonly TraceKey[]) => call("outcomes", keys),
    expiring: (limit) => call("expiring", limit),
    consumed: () => call("consumed"),
    async append(batch: CheckpointBatch, expectedSequence: number) {
      last = await call<number>("append", batch, expectedSequence);
      return last;
    },
    renew: () => call("renew"),
    async close() {
      isClosed = true;
      await (closing ??= calls.call<void>("partition", "close", [], handle).catch((error: unknown) => {
        // it may be tried again
        closing = undefined;
        throw error;
      }));
    },
  };
}

function intakeOver(calls: Calls): Intake {
  return {
    offer: (offers: readonly Offer[]) => calls.call("intake", "offer", [offers]),
    read: (partition: string, after: ReadonlyMap<number, number>, { signal, ...limit }: IntakeLimit) =>
      calls.read([partition, after, limit], signal),
    trim: (partition, upTo) => calls.call("intake", "trim", [partition, upTo]),
    backlog: (partitions) => calls.call("intake", "backlog", [partitions]),
  };
}

function resultsOver(calls: Calls): ResultStore {
  return {
    put: (results: readonly StoredResult[]) => calls.call("results", "put", [results]),
    get: (keys: readonly ResultKey[], read) => calls.call("results", "get", [keys, read]),
    forget: (results) => calls.call("results", "forget", [results]),
  };
}

function registryOver(calls: Calls): Registry {
  return {
    get: (key) => calls.call("registry", "get", [key]),
    put: (key, value, options) => calls.call("registry", "put", [key, value, options]),
    delete: (key) => calls.call("registry", "delete", [key]),
    async watch(prefix, onChange, signal) {
      if (signal.aborted) return;
      const { subscription, end } = calls.listen((reply) => {
        if (reply.kind === "change" && !signal.aborted) onChange(reply.key, reply.value);
      });
      signal.addEventListener("abort", end, { once: true });
      const call = calls.newCall();
      await calls.ask(call, { kind: "watch", call, subscription, prefix });
    },
  };
}

function wireOver(calls: Calls): Wire {
  return {
    publish: (subject, body) => calls.tell({ kind: "publish", subject, body }),
    subscribe(subject, receive) {
      const { subscription, end } = calls.listen((reply) => {
        if (reply.kind === "body") receive(reply.body);
      });
      calls.tell({ kind: "subscribe", subscription, subject });
      return { [Symbol.dispose]: end };
    },
  };
}
