import type { AnyEdges, Context, Flow, FlowNode, Message } from "penguiflow";
import type { Effect } from "./effects.ts";
import type { Job, Result } from "./jobs.ts";

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
}

/** An {@link Observation} and the life that reported it. */
export type Observed = Observation & { readonly life: number };

/** Dependencies of a feature on its process. */
export interface FeatureSetting {
  readonly life: number;
  readonly isLast: boolean;
  /** Performs an effect unless an earlier life has performed it. */
  readonly affect: (ctx: Context, effect: Omit<Effect, "key">) => Promise<void>;
  readonly tell: (observation: Observation) => void;
  readonly problem: (what: string) => void;
  /** Node that ends a trace with the result of its job. */
  readonly conclude: FlowNode<"conclude", Report, Result>;
}

/** An unfinished trace of a feature's job. */
export interface AttendedTrace {
  readonly job: Job;
  readonly flow: Flow<Job, Result>;
  readonly traceId: string;
  readonly tenant: string;
  /** Whether it failed in an earlier life. */
  readonly hasFailed: boolean;
  /** Whether the result was fetched, or the process ends. */
  readonly isOver: () => boolean;
}

/** A feature's part of a process. */
export interface FeaturePart {
  /** Edges from the node named after the feature, at which the traces of its jobs begin. */
  readonly edges: readonly AnyEdges[];
  /** Milliseconds after which a job's trace is given up. @defaultValue never */
  timeoutMs?(job: Job): number;
  /** Works on a trace from its acceptance on, or from the start of the process. @defaultValue nothing is to do */
  attend?(trace: AttendedTrace): Promise<void>;
  /** Takes what was fetched of a trace in place of a result. @defaultValue it has a result */
  fetched?(job: Job, message: Message): void;
}

/** Something that crashes must not break: its nodes, its work in each process, and the checks of what was observed. */
export interface Feature {
  /** Kinds of its observations. Each must have happened in a long run; otherwise that proves nothing. */
  readonly observes: readonly string[];
  /** Computes how many messages each node has handled once a job is complete. @defaultValue its jobs have no results */
  counts?(job: Job): Readonly<Record<string, number>>;
  /** Makes its part of a process. */
  part(setting: FeatureSetting): FeaturePart;
  /** Finds violations in the observations and results of all lives. */
  readonly verify: (observed: readonly Observed[], results: ReadonlyMap<number, Result>) => Iterable<string>;
}

/** Groups observations of one kind by job. */
export function byJob(observed: readonly Observed[], what: string): Map<number, Observed[]> {
  const found = new Map<number, Observed[]>();
  for (const each of observed) if (each.what === what) found.set(each.id, [...(found.get(each.id) ?? []), each]);
  return found;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
