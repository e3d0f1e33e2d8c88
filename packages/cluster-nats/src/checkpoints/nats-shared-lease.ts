import { randomUUID } from "node:crypto";
import type { SharedLease, SharedLeaseRequest } from "penguiflow";
import { sharedLeaseEnded } from "penguiflow/adapter";
import type { Broker } from "../broker.ts";

/** The one message of a shared lease. */
interface Written {
  readonly owner: string;
  readonly leaseMs: number;
  readonly hasEnded: boolean;
}

/** The last message of a lease that has not ended. */
interface LastMessage {
  readonly written: Written;
  readonly sequence: number;
  /** Epoch milliseconds of the server at which it was stored. */
  readonly at: number;
}

/** Leases after which the server removes a message that was not renewed, which ends the lease. */
const KEPT_LEASES = 360;
/** Milliseconds for which the message of a lease that has ended is kept: as long as that of one which is not there. */
const ENDED_MS = 1_000;

/**
 * The shared leases of a cluster: each is the last message of its subject. A renewal names the sequence of the one before
 * it, so that it fails once another writer has ended the lease. One whose message is gone has ended.
 */
export class NatsSharedLeases {
  readonly #broker: Broker;
  readonly #stream: string;
  readonly #name: string;
  /** Leases of this process, by their ids. */
  readonly #own = new Map<string, NatsSharedLease>();

  constructor(broker: Broker, stream: string, name: string) {
    this.#broker = broker;
    this.#stream = stream;
    this.#name = name;
  }

  async create({ owner, leaseMs }: SharedLeaseRequest): Promise<SharedLease> {
    const id = randomUUID();
    const lease = new NatsSharedLease(this, id, { owner, leaseMs });
    await lease.begin();
    this.#own.set(id, lease);
    return lease;
  }

  /** Returns a lease that this process has created; `undefined` once it has closed it. */
  own(id: string): NatsSharedLease | undefined {
    return this.#own.get(id);
  }

  forget(id: string): void {
    this.#own.delete(id);
  }

  /**
   * Ends a lease that has expired by the server's clock. Returns the milliseconds for which it still lasts: 0 when it has
   * ended.
   */
  async endIfExpired(id: string): Promise<number> {
    const last = await this.last(id);
    if (last === undefined) return 0;
    const leftMs = last.at + last.written.leaseMs - (await this.#broker.now(this.#stream, true));
    if (leftMs > 0) return leftMs;
    const ended = await this.write(id, { ...last.written, hasEnded: true }, last.sequence);
    // it was renewed, or ended, in between
    return ended === undefined ? await this.endIfExpired(id) : 0;
  }

  /** Returns the last message of a lease, by the leader; `undefined` when it has ended. */
  async last(id: string): Promise<LastMessage | undefined> {
    const last = await this.#broker.last(this.#stream, this.#subject(id));
    if (last === undefined) return undefined;
    const written = JSON.parse(new TextDecoder().decode(last.body)) as Written;
    return written.hasEnded ? undefined : { written, sequence: last.sequence, at: last.at };
  }

  /** Stores the state of a lease. Resolves with its sequence; with `undefined` when another is the last. */
  async write(id: string, written: Written, expected: number): Promise<number | undefined> {
    return await this.#broker.publish(this.#stream, {
      subject: this.#subject(id),
      body: new TextEncoder().encode(JSON.stringify(written)),
      expected,
      ttlMs: written.hasEnded ? ENDED_MS : written.leaseMs * KEPT_LEASES,
    });
  }

  #subject(id: string): string {
    return `${this.#name}.lease.${id}`;
  }
}

/** A shared lease of this process. */
export class NatsSharedLease implements SharedLease {
  readonly id: string;
  readonly #leases: NatsSharedLeases;
  readonly #written: Written;
  /** Sequence of its last message. */
  #last = 0;
  /** The monotonic clock when that was sent: until `leaseMs` later, no other process can end it. */
  #sentAt = Number.NEGATIVE_INFINITY;
  #hasEnded = false;
  /** Settles with the latest call; messages follow each other. */
  #calls: Promise<unknown> = Promise.resolve();

  constructor(leases: NatsSharedLeases, id: string, request: SharedLeaseRequest) {
    this.id = id;
    this.#leases = leases;
    this.#written = { ...request, hasEnded: false };
  }

  /** The monotonic clock until when no other process can have one of its partitions. */
  get heldUntil(): number {
    return this.#hasEnded ? Number.NEGATIVE_INFINITY : this.#sentAt + this.#written.leaseMs;
  }

  /** Stores its first message. */
  async begin(): Promise<void> {
    await this.#store();
  }

  renew(): Promise<void> {
    return this.#inTurn(async () => await this.#store());
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      this.#leases.forget(this.id);
      this.#hasEnded = true;
      for (let last = await this.#leases.last(this.id); last !== undefined; last = await this.#leases.last(this.id))
        await this.#leases.write(this.id, { ...last.written, hasEnded: true }, last.sequence);
    });
  }

  async #store(): Promise<void> {
    const { owner } = this.#written;
    if (this.#hasEnded) throw sharedLeaseEnded(owner, "it was closed, or another writer has taken one of them");
    const sentAt = performance.now();
    let sequence = await this.#leases.write(this.id, this.#written, this.#last);
    if (sequence === undefined) {
      // one of its own may be stored whose answer was lost
      const last = await this.#leases.last(this.id);
      if (last !== undefined) sequence = await this.#leases.write(this.id, this.#written, last.sequence);
    }
    if (sequence === undefined) {
      this.#hasEnded = true;
      throw sharedLeaseEnded(owner, "another writer has taken one of them");
    }
    this.#sentAt = sentAt;
    this.#last = sequence;
  }

  async #inTurn<Value>(call: () => Promise<Value>): Promise<Value> {
    const called = this.#calls.then(call);
    this.#calls = called.catch(() => {});
    return await called;
  }
}
