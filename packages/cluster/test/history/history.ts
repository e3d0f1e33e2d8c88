/** A trace, by the partition that it belongs to. */
export interface TraceName {
  readonly partition: string;
  readonly tenant: string;
  readonly id: string;
}

/** A trace in a batch of checkpoints. */
export interface PutTrace {
  readonly run: number;
  readonly tenant: string;
  readonly id: string;
  readonly status: "open" | "failed" | "ended";
}

/**
 * Something that happened in a cluster. Events of one process are in order. Where processes end at any time, events may be
 * missing: a rule must not conclude anything from an absent event of the backend.
 */
export type HistoryEvent =
  /** A client has called with an id of its own. `call` numbers the call. */
  | (TraceName & { readonly type: "called"; readonly call: number })
  /** A call, or an answer to a pause, was told an outcome. `outcome` is `{ status, result }` as JSON. */
  | (TraceName & { readonly type: "told"; readonly call?: number; readonly outcome: string })
  /** A call was rejected with an error of the cluster. */
  | (TraceName & { readonly type: "rejected"; readonly call: number; readonly code: string })
  /** A reader of a trace has got a chunk. `run` tells streams of one id apart. */
  | (TraceName & {
      readonly type: "chunk";
      readonly reader: number;
      readonly stream: string;
      readonly run: number;
      readonly position: number;
      readonly isLast: boolean;
    })
  /** A client wants a trace cancelled; then its cancel has resolved, and the stored result is this. */
  | (TraceName & { readonly type: "cancelling" })
  | (TraceName & { readonly type: "cancelled"; readonly outcome: string | undefined })
  /** A client answers a pause; then the answer was accepted, or refused with a code. */
  | (TraceName & { readonly type: "answering"; readonly token: string; readonly value: unknown })
  | (TraceName & {
      readonly type: "answered";
      readonly token: string;
      readonly value: unknown;
      readonly code: string | undefined;
    })
  /** A client asked for a failed trace to be tried again. */
  | (TraceName & { readonly type: "retrying" })
  /** A handler was called by a worker that had opened the partition with this epoch. */
  | (TraceName & { readonly type: "handled"; readonly node: string; readonly epoch: number | undefined })
  /** A worker has a partition; the last stored batch is `sequence`. */
  | { readonly type: "opened"; readonly partition: string; readonly epoch: number; readonly sequence: number }
  /** A batch is stored, as number `sequence`. */
  | {
      readonly type: "appended";
      readonly partition: string;
      readonly epoch: number;
      readonly sequence: number;
      readonly put: readonly PutTrace[];
    }
  /** A message of an intake was read. */
  | (TraceName & { readonly type: "read"; readonly lane: number; readonly sequence: number })
  /** A final result was stored, or refused because there was one. */
  | (TraceName & { readonly type: "result"; readonly outcome: string; readonly answer: "stored" | "superseded" })
  /** A result was removed. */
  | (TraceName & { readonly type: "forgotten" });

/** State of a cluster once all its calls have settled. */
export interface FinalState {
  /**
   * Number of messages completed, by node, summed over all partitions; those of a node on another pool by the name of the
   * flow that it is there.
   */
  readonly counts: ReadonlyMap<string, number>;
  /** Traces in flight, and outcomes that are not delivered, in the checkpoints. */
  readonly left: readonly string[];
  /** Number of items that no stored position covers. */
  readonly backlog: number;
}

/** Name of a trace as a key and for reports. An id is one in all versions of its flow, so its name has none. */
export const nameOf = ({ partition, tenant, id }: TraceName): string =>
  `"${id}" of ${tenant} in ${partition.replace(/@[^/]+(?=\/\d+$)/, "")}`;

/** Name of a trace in one version of its flow. */
export const placeOf = ({ partition, tenant, id }: TraceName): string => `"${id}" of ${tenant} in ${partition}`;
