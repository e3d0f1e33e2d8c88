import type { CheckpointStore } from "../ports/checkpoint-store.ts";
import type { UnaskedPause } from "../engine/durability.ts";
import type { KeptLease } from "./store/kept-lease.ts";

/** Options of `durable`. */
export interface DurableOptions {
  /** Storage for the state that must not be lost. */
  readonly checkpoints: CheckpointStore;
  /**
   * The checkpoint store's partition for this flow's traces. At most one process at a time may hold it. @defaultValue
   * the flow's name
   */
  readonly partition?: string | undefined;
  /**
   * The name of this process, reported to others that request the same partition. @defaultValue its process id and
   * random digits
   */
  readonly owner?: string | undefined;
  /**
   * Milliseconds without renewal after which another process may take over. `ready` waits this long after a crash of
   * the previous process, and rejects with `PARTITION_LEASED` as soon as that process proves to be alive. A call of the
   * checkpoint store that is unanswered for so long counts as failed; of a batch, the flow stops.
   *
   * @defaultValue 10000
   */
  readonly leaseMs?: number | undefined;
  /**
   * Maximum length of a payload, roughly, in characters of its JSON text; the same limit applies to each meta. Stored
   * errors are truncated to it.
   *
   * @defaultValue 1048576
   */
  readonly maxPayloadBytes?: number | undefined;
  /** Maximum number of failed traces kept for a retry; the oldest are evicted first. @defaultValue 1000 */
  readonly maxFailed?: number | undefined;
  /**
   * Handling of a trace whose node is gone or whose payload no longer fits its node. The trace fails, stays in the
   * checkpoint store for a later run, or follows the decision of a function. Each case is logged and listed in the
   * recovery's `changed`.
   *
   * @defaultValue `"park"`
   */
  readonly onChanged?: OnChanged | undefined;
  /**
   * Milliseconds after which a trace that only waits leaves memory: for answers, instants or joins. It is loaded again
   * when it is answered, looked up or due. A trace stays in memory while a caller, a reader, a `fetch` or an external
   * task belongs to it, and if it was begun by `emit`. `Infinity` keeps all traces in memory.
   *
   * @defaultValue 60000
   */
  readonly unloadAfterMs?: number | undefined;
  /**
   * Owners in a row that may be lost, by a crash or the end of their lease, while a trace is in flight and completes no
   * message. Then the trace fails with `POISON_MESSAGE`, and waits for a retry. `Infinity` lets it try for ever.
   *
   * @defaultValue Infinity
   */
  readonly maxLostOwners?: number | undefined;
  /**
   * Lease of this process that its partitions share, of the same checkpoint store: see `keepLease`. When it ends, the flow
   * stops. @defaultValue none, the partition has a lease of its own
   */
  readonly lease?: KeptLease | undefined;
}

/** A stored message that no longer fits the flow. */
export interface ChangedMessage {
  readonly tenant: string;
  readonly traceId: string;
  readonly node: string;
  /** Names of the playbooks in which the node is, outermost first; absent outside of playbooks. */
  readonly path?: readonly string[];
  readonly payload: unknown;
  /** The mismatch. */
  readonly problem: string;
  /** Pauses that its handler no longer asks for, when they are the mismatch. */
  readonly unasked?: readonly UnaskedPause[];
}

/** The decision about a changed message: a new target, or the fate of its trace. */
export type Migration = { readonly node: string; readonly payload: unknown } | "fail" | "park";

/** The policy for traces that no longer fit the flow. */
export type OnChanged = "fail" | "park" | ((message: ChangedMessage) => Migration | Promise<Migration>);

/** {@link DurableOptions} with defaults applied. */
export interface ResolvedDurableOptions {
  readonly checkpoints: CheckpointStore;
  readonly partition: string | undefined;
  readonly owner: string;
  readonly leaseMs: number;
  readonly maxPayloadBytes: number;
  readonly maxFailed: number;
  readonly onChanged: OnChanged;
  readonly unloadAfterMs: number;
  readonly maxLostOwners: number;
  readonly lease: KeptLease | undefined;
}
