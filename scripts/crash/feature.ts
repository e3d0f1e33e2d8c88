import type { AnyEdges, Context, Flow, FlowNode, Message, Outbox } from "penguiflow";
import type { Defect } from "./defects.ts";
import type { FlowEffect, Job, Result } from "./jobs.ts";

/** Value of a job, on its way to its conclusion. */
export interface Report {
  readonly job: Job;
  readonly value: number;
  readonly by: readonly number[];
}

/** Observation of a feature, reported by a process. */
export interface Observation {
  /** One of the feature's {@link Feature.observes}. */
  readonly what: string;
  /** Job. */
  readonly id: number;
  readonly value?: number;
  /** Number of the handler's attempt. */
  readonly attempt?: number;
}

/** An {@link Observation} and the life that reported it. */
export type Observed = Observation & { readonly life: number };

/** Dependencies of a feature on its process. */
export interface FeatureSetting {
  readonly seed: number;
  readonly life: number;
  readonly isLast: boolean;
  /** Returns the flow, once it runs. */
  readonly flow: () => Flow<Job, Result>;
  /** Defect that is planted. */
  readonly defect: Defect | undefined;
  /** Performs an effect unless an earlier life has performed it. */
  readonly affect: (ctx: Context, effect: Omit<FlowEffect, "key">) => Promise<void>;
  readonly tell: (observation: Observation) => void;
  /** Reports a result that its caller has received. */
  readonly tellResult: (result: Result) => void;
  readonly problem: (what: string) => void;
  /** Node that ends a trace with the result of its job. */
  readonly conclude: FlowNode<"conclude", Report, Result>;
}

/** The trace of a feature's job. */
export interface JobTrace {
  readonly job: Job;
  readonly flow: Flow<Job, Result>;
  readonly traceId: string;
  readonly tenant: string;
}

/** An unfinished trace of a feature's job. */
export interface AttendedTrace extends JobTrace {
  /** Whether it failed in an earlier life. */
  readonly hasFailed: boolean;
  /** Whether the result was fetched, or the process ends. */
  readonly isOver: () => boolean;
}

/** A feature's part of a process. */
export interface FeaturePart {
  /** Edges from the node named after the feature, at which the traces of its jobs begin. */
  readonly edges: readonly AnyEdges[];
  /** Sends a job to the node named after the feature. @defaultValue it is emitted */
  send?(trace: JobTrace): Promise<void>;
  /** Works on a trace from its acceptance on, or from the start of the process. @defaultValue nothing is to do */
  attend?(trace: AttendedTrace): Promise<void>;
  /** Works beside the traces from the start of the process. The last process waits for it. */
  work?(): Promise<void>;
  /** Receiver of the outcomes of the feature's accepted traces. */
  readonly outbox?: Outbox;
  /** Takes what was fetched of a trace in place of a result. @defaultValue it has a result */
  fetched?(job: Job, message: Message): void;
}

/** Something that crashes must not break: its nodes, its work in each process, and the checks of what was observed. */
export interface Feature {
  /** Kinds of its observations. Each must have happened in a long run; otherwise that proves nothing. */
  readonly observes: readonly string[];
  /**
   * Computes how many messages each node has handled once a job is complete; `undefined` for a job without a result.
   *
   * @defaultValue its jobs have no results
   */
  counts?(job: Job): Readonly<Record<string, number>> | undefined;
  /**
   * Whether the result of a job may go with its caller: the trace was called and has ended in the life of its call,
   * which was killed before it told the result.
   *
   * @defaultValue each result is told, in whatever life
   */
  mayGoWithCaller?(job: Job, result: Result): boolean;
  /** Makes its part of a process. */
  part(setting: FeatureSetting): FeaturePart;
  /**
   * Finds violations in the observations and results of all lives.
   *
   * @defaultValue its processes find them, and the checks of all jobs
   */
  verify?(observed: readonly Observed[], results: ReadonlyMap<number, Result>): Iterable<string>;
}

/** Groups observations of some kinds by job. */
export function byJob(observed: readonly Observed[], ...kinds: readonly string[]): Map<number, Observed[]> {
  return Map.groupBy(
    observed.filter(({ what }) => kinds.includes(what)),
    ({ id }) => id,
  );
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
