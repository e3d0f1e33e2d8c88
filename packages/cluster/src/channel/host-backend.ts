import type { CheckpointFilter, CheckpointPartition, LeaseRequest, SharedLease, SharedLeaseRequest } from "penguiflow";
import type { ClusterBackend, IntakeLimit } from "penguiflow/adapter";
import { writeError } from "penguiflow/durable";
import type { Channel, Reply, Request } from "./message.ts";

/**
 * Serves a backend to another process over a channel, for `remoteBackend`. When that process ends, its leases stay until
 * they expire, as those of a dead worker do. Returns the function that ends the service.
 */
export function hostBackend(backend: ClusterBackend, channel: Channel): Disposable {
  const host = new Host(backend, channel);
  const receiving = channel.receive((message) => host.take(message as Request));
  return {
    [Symbol.dispose]() {
      receiving[Symbol.dispose]();
      host[Symbol.dispose]();
    },
  };
}

type Call = Extract<Request, { kind: "call" }>;

class Host implements Disposable {
  readonly #backend: ClusterBackend;
  readonly #channel: Channel;
  readonly #partitions = new Map<number, CheckpointPartition>();
  readonly #leases = new Map<string, SharedLease>();
  readonly #aborts = new Map<number, AbortController>();
  readonly #subscriptions = new Map<number, Disposable>();
  #handles = 0;

  constructor(backend: ClusterBackend, channel: Channel) {
    this.#backend = backend;
    this.#channel = channel;
  }

  take(request: Request): void {
    const { wire, registry } = this.#backend;
    switch (request.kind) {
      case "publish":
        wire.publish(request.subject, request.body);
        return;
      case "subscribe": {
        const { subscription } = request;
        const tell = (body: Uint8Array): void => this.#reply({ kind: "body", subscription, body });
        this.#subscriptions.set(subscription, wire.subscribe(request.subject, tell));
        return;
      }
      case "watch": {
        const { subscription, prefix, call } = request;
        const ending = new AbortController();
        this.#subscriptions.set(subscription, { [Symbol.dispose]: () => ending.abort() });
        const tell = (key: string, value: string | undefined): void =>
          this.#reply({ kind: "change", subscription, key, value });
        this.#answer(call, registry.watch(prefix, tell, ending.signal));
        return;
      }
      case "unsubscribe":
        this.#subscriptions.get(request.subscription)?.[Symbol.dispose]();
        this.#subscriptions.delete(request.subscription);
        return;
      case "abort":
        this.#aborts.get(request.call)?.abort();
        return;
      case "call":
        this.#answer(request.call, this.#run(request));
    }
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions.values()) subscription[Symbol.dispose]();
    for (const abort of this.#aborts.values()) abort.abort();
    this.#subscriptions.clear();
    this.#partitions.clear();
    this.#leases.clear();
  }

  #answer(call: number, work: Promise<unknown>): void {
    work.then(
      (value) => this.#reply({ kind: "value", call, value }),
      (error: unknown) => this.#reply({ kind: "error", call, error: writeError(error) }),
    );
  }

  async #run({ call, port, method, args, handle }: Call): Promise<unknown> {
    if (port === "checkpoints" && method === "share") return await this.#share(args[0] as SharedLeaseRequest);
    if (port === "checkpoints") return await this.#open(args[0] as LeaseRequest);
    if (port === "lease") return await this.#onLease(args[0] as string, method as "renew" | "close");
    if (port === "partition") return await this.#onPartition(handle!, method, args);
    if (port === "figures") return (await this.#backend.figures?.()) ?? {};
    if (port === "intake" && method === "read") return await this.#read(call, args);
    const target = this.#backend[port] as unknown as Record<string, (...given: readonly unknown[]) => unknown>;
    return await target[method]!(...args);
  }

  async #open(lease: LeaseRequest): Promise<unknown> {
    const partition = await this.#backend.checkpoints.open(lease);
    this.#handles += 1;
    this.#partitions.set(this.#handles, partition);
    const { id, fencingToken, sequence } = partition;
    return { handle: this.#handles, id, fencingToken, sequence };
  }

  async #share(request: SharedLeaseRequest): Promise<string> {
    const lease = await this.#backend.checkpoints.share(request);
    this.#leases.set(lease.id, lease);
    return lease.id;
  }

  async #onLease(id: string, method: "renew" | "close"): Promise<void> {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw new TypeError(`There is no shared lease "${id}"`);
    await lease[method]();
  }

  async #onPartition(handle: number, method: string, args: readonly unknown[]): Promise<unknown> {
    const partition = this.#partitions.get(handle);
    if (partition === undefined) throw new TypeError(`No partition is open under handle ${handle}`);
    if (method === "read") return await allOf(partition.read(args[0] as CheckpointFilter | undefined));
    const target = partition as unknown as Record<string, (...given: readonly unknown[]) => unknown>;
    const answer = await target[method]!(...args);
    if (method === "close") this.#partitions.delete(handle);
    return answer;
  }

  /** Reads an intake, with a signal of this process. */
  async #read(call: number, [partition, after, limit]: readonly unknown[]): Promise<unknown> {
    const abort = new AbortController();
    this.#aborts.set(call, abort);
    try {
      return await this.#backend.intake.read(partition as string, after as ReadonlyMap<number, number>, {
        ...(limit as Omit<IntakeLimit, "signal">),
        signal: abort.signal,
      });
    } finally {
      this.#aborts.delete(call);
    }
  }

  #reply(reply: Reply): void {
    this.#channel.send(reply);
  }
}

async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
