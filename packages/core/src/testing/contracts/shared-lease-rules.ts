import { FlowErrorCode } from "../../foundation/flow-error.ts";
import type { CheckpointBatch, CheckpointPartition, LeaseRequest } from "../../ports/checkpoint-store.ts";
import type { ClusterBackend } from "../../ports/cluster-backend.ts";
import type { SharedLease, SharingCheckpointStore } from "../../ports/shared-lease.ts";
import { failureOf, requireSame } from "./contract.ts";

type Rule = (backend: ClusterBackend) => Promise<void>;

/** A lease longer than any case takes. */
const LONG_MS = 60_000;
/** A lease that expires while a case waits for it. */
const SHORT_MS = 200;
const EMPTY: CheckpointBatch = { put: [], remove: [], counts: new Map() };
const { PARTITION_FENCED, PARTITION_LEASED } = FlowErrorCode;

/** Rules of leases that a process shares among its partitions. */
export const sharedLeaseRules: Readonly<Record<string, Rule>> = {
  async "shared lease: keeps others out of each of its partitions, and names its owner"({ checkpoints }) {
    const lease = await checkpoints.share({ owner: "one", leaseMs: LONG_MS });
    for (const partition of ["a", "b"]) {
      const opened = await heldUnder(checkpoints, lease, { partition });
      await requireLeased(checkpoints, { partition, owner: "two", leaseMs: LONG_MS });
      requireSame("The number of a batch", await opened.append(EMPTY, 0), 1);
    }
    const other = await checkpoints.share({ owner: "two", leaseMs: LONG_MS });
    requireSame("Whether ids of leases differ", other.id === lease.id, false);
    await requireRefused("An opening under another lease", checkpoints.open(of(other)), PARTITION_LEASED);
  },
  async "shared lease: lasts as long as it is renewed, and neither appends nor renewals of a partition prolong it"({
    checkpoints,
  }) {
    const lease = await checkpoints.share({ owner: "one", leaseMs: SHORT_MS });
    const opened = await heldUnder(checkpoints, lease);
    await opened.append(EMPTY, 0);
    await pause(SHORT_MS / 2);
    await opened.append(EMPTY, 1);
    await opened.renew();
    await pause(SHORT_MS / 2 + SHORT_MS / 10);
    // it is not taken: its writer goes on
    await opened.append(EMPTY, 2);
    await lease.renew();
    const taken = await takenOver(checkpoints);
    requireSame("The fencing token and sequence", [taken.fencingToken, taken.sequence], [2, 3]);
    await requireRefused("A batch of the former writer", opened.append(EMPTY, 3), PARTITION_FENCED);
  },
  async "shared lease: ends for good when another writer takes one of its partitions"({ checkpoints }) {
    const lease = await checkpoints.share({ owner: "one", leaseMs: SHORT_MS });
    const [a, b] = [await heldUnder(checkpoints, lease), await heldUnder(checkpoints, lease, { partition: "b" })];
    const taken = await takenOver(checkpoints);
    for (let time = 0; time < 2; time += 1)
      await requireRefused("A renewal of the lease", lease.renew(), PARTITION_FENCED);
    const late = await checkpoints.open(of(lease, { partition: "c" }));
    await requireRefused("A partition that is put under it", late.renew(), PARTITION_FENCED);
    await requireRefused("A batch of its partition", a.append(EMPTY, 0), PARTITION_FENCED);
    requireSame("The number of a batch of the one that took it", await taken.append(EMPTY, 0), 1);
    // not taken yet, although it can be
    requireSame("The number of a batch of its other partition", await b.append(EMPTY, 0), 1);
    const other = await checkpoints.open({ partition: "b", owner: "three", leaseMs: LONG_MS });
    requireSame("The fencing token of its other partition", other.fencingToken, 2);
    await lease.close();
  },
  async "shared lease: of writers side by side, one alone takes a partition whose lease has expired"({ checkpoints }) {
    const lease = await checkpoints.share({ owner: "one", leaseMs: SHORT_MS });
    await heldUnder(checkpoints, lease);
    const others = await Promise.all(
      ["two", "three", "four"].map((owner) => checkpoints.share({ owner, leaseMs: LONG_MS })),
    );
    await pause(SHORT_MS + SHORT_MS / 10);
    const answers = await Promise.allSettled(others.map((other) => checkpoints.open(of(other))));
    requireSame("The number of writers", answers.filter(({ status }) => status === "fulfilled").length, 1);
  },
  async "shared lease: of its renewal and an opening side by side, one alone succeeds"({ checkpoints }) {
    for (let time = 0; time < 10; time += 1) {
      const partition = `p${time}`;
      const lease = await checkpoints.share({ owner: "one", leaseMs: 20 });
      await heldUnder(checkpoints, lease, { partition });
      await pause(22);
      const [renewed, opened] = await Promise.allSettled([
        lease.renew(),
        checkpoints.open({ partition, owner: "two", leaseMs: LONG_MS }),
      ]);
      const isHeld = renewed.status === "fulfilled";
      // the renewed lease may have expired again before the opening
      if (isHeld && opened.status === "fulfilled")
        await requireRefused("A renewal after the opening", lease.renew(), PARTITION_FENCED);
      else requireSame("Whether the partition was taken", opened.status === "fulfilled", !isHeld);
    }
  },
  async "shared lease: a partition that is closed, and each of one that is closed, is free"({ checkpoints }) {
    const lease = await checkpoints.share({ owner: "one", leaseMs: LONG_MS });
    const [a, b] = [await heldUnder(checkpoints, lease), await heldUnder(checkpoints, lease, { partition: "b" })];
    await a.close();
    const next = await checkpoints.open({ partition: "a", owner: "two", leaseMs: LONG_MS });
    requireSame("Its fencing token", next.fencingToken, 2);
    // the lease does not know of it any more
    await lease.renew();
    await b.append(EMPTY, 0);
    await lease.close();
    await lease.close();
    await requireRefused("A renewal", lease.renew(), PARTITION_FENCED);
    const other = await checkpoints.share({ owner: "two", leaseMs: LONG_MS });
    requireSame("The fencing token", (await heldUnder(checkpoints, other, { partition: "b" })).fencingToken, 2);
    await requireRefused("A batch of the former writer", b.append(EMPTY, 1), PARTITION_FENCED);
  },
  async "shared lease: an opening whose answer is lost keeps others out for its own time alone"({ checkpoints }) {
    const lease = await checkpoints.share({ owner: "one", leaseMs: LONG_MS });
    await checkpoints.open({ partition: "a", owner: "one", leaseMs: SHORT_MS, under: lease.id });
    await requireLeased(checkpoints, { partition: "a", owner: "two", leaseMs: LONG_MS });
    requireSame("The fencing token", (await takenOver(checkpoints)).fencingToken, 2);
    // it did not depend on the lease
    await lease.renew();
  },
};

const of = (lease: SharedLease, changes: Partial<LeaseRequest> = {}): LeaseRequest => ({
  partition: "a",
  owner: "one",
  leaseMs: LONG_MS,
  under: lease.id,
  ...changes,
});

/** Opens partition "a" for another writer as soon as its lease has expired. */
async function takenOver(checkpoints: SharingCheckpointStore): Promise<CheckpointPartition> {
  for (;;) {
    try {
      return await checkpoints.open({ partition: "a", owner: "two", leaseMs: LONG_MS });
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== PARTITION_LEASED) throw error;
      await pause(SHORT_MS / 10);
    }
  }
}

async function requireRefused(what: string, work: Promise<unknown>, code: FlowErrorCode) {
  const error = (await failureOf(what, work)) as {
    readonly code?: unknown;
    readonly message?: unknown;
    readonly details?: Readonly<Record<string, unknown>>;
  };
  if (error.code !== code) throw new Error(`${what} must be refused with ${code}: got "${String(error.message)}"`);
  return error.details ?? {};
}

/** Throws unless an opening is refused, and the owner is named. */
async function requireLeased(checkpoints: SharingCheckpointStore, request: LeaseRequest): Promise<void> {
  const details = await requireRefused("An opening", checkpoints.open(request), PARTITION_LEASED);
  requireSame("The owner that it names", details["owner"], "one");
}

/** Opens a partition and puts it under a shared lease. */
async function heldUnder(
  checkpoints: SharingCheckpointStore,
  lease: SharedLease,
  changes: Partial<LeaseRequest> = {},
): Promise<CheckpointPartition> {
  const opened = await checkpoints.open(of(lease, changes));
  await opened.renew();
  return opened;
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
