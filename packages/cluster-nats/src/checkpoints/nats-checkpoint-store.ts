import { randomUUID } from "node:crypto";
import type {
  CheckpointPartition,
  LeaseRequest,
  SharedLease,
  SharedLeaseRequest,
  SharingCheckpointStore,
} from "penguiflow";
import { partitionLeased, requireInteger } from "penguiflow/adapter";
import type { Broker } from "../broker.ts";
import { type Streams, token } from "../names.ts";
import { type Head, NatsPartition } from "./nats-partition.ts";
import { NatsSharedLeases } from "./nats-shared-lease.ts";
import { PartitionLog } from "./partition-log.ts";

/**
 * Stores checkpoints as a log for each partition: one message for each batch, under one subject. Each names the sequence
 * of the one before it, so that a writer that was superseded fails at whatever it tries. The owner of a partition holds
 * its contents in memory. A lease ends by the server's clock.
 */
export class NatsCheckpointStore implements SharingCheckpointStore {
  readonly #broker: Broker;
  readonly #stream: string;
  readonly #name: string;
  readonly #leases: NatsSharedLeases;

  constructor(broker: Broker, { checkpoints, registry }: Streams, name: string) {
    this.#broker = broker;
    this.#stream = checkpoints;
    this.#name = name;
    this.#leases = new NatsSharedLeases(broker, registry, name);
  }

  async share(request: SharedLeaseRequest): Promise<SharedLease> {
    requireInteger("leaseMs", request.leaseMs, 1);
    return await this.#leases.create(request);
  }

  async open({ partition, owner, leaseMs, under }: LeaseRequest): Promise<CheckpointPartition> {
    requireInteger("leaseMs", leaseMs, 1);
    const log = new PartitionLog(this.#broker, this.#stream, this.#name, token(partition));
    for (;;) {
      const last = await log.last();
      if (last !== undefined && !last.head.isReleased) {
        // a shared lease that has expired ends first: it is never renewed once its partition can be taken
        const endsInMs =
          last.head.under === undefined
            ? last.at + last.head.leaseMs - (await this.#broker.now(this.#stream, true))
            : await this.#leases.endIfExpired(last.head.under);
        if (endsInMs > 0) throw partitionLeased({ partition, owner: last.head.owner, endsInMs });
      }
      const head: Head = {
        id: last?.head.id ?? randomUUID(),
        fencingToken: (last?.head.fencingToken ?? 0) + 1,
        sequence: last?.head.sequence ?? 0,
        owner,
        leaseMs,
        isReleased: false,
      };
      const sentAt = performance.now();
      const taken = await log.append(head, [], last?.sequence ?? 0);
      // another has taken it in between
      if (taken === undefined) continue;
      const lease = under === undefined ? undefined : { id: under, of: this.#leases };
      return new NatsPartition(log, partition, { head, sequence: taken.sequence, sentAt, lease });
    }
  }
}
