/** Work that every subject does in its own way, and its measurement. */
export interface Workload<Setup = unknown, Rig extends Closable = Closable> {
  /** Unique, as typed on the command line: `linear-10`. */
  readonly name: string;
  /** The export of a subject module that builds this workload's rig: `linear`. */
  readonly family: string;
  /** Title for the reader of the table. */
  readonly title: string;
  /** Figures that are measured; the first one ranks the subjects. */
  readonly figures: readonly [Figure, ...Figure[]];
  readonly setup: Setup;
  /** Subjects that take part; all but the checkpoint stores and the libraries of agents alone when left out. */
  readonly subjects?: readonly string[];
  /** Whether each run gives the same figures, so that one is enough. @defaultValue false */
  readonly isExact?: boolean;
  /**
   * Warms the rig up, measures it once and checks every answer.
   *
   * @throws Error when an answer is wrong or a count is off: such a run has no figure.
   */
  measure(rig: Rig, timing: Timing): Promise<Measurement>;
  /** Conditions for `npm run bench` to succeed. */
  readonly bars: readonly Bar[];
}

/** A measured quantity. */
export interface Figure {
  /** Name with its unit, as in the table: `hops/s`, `p99 ms`. */
  readonly name: string;
  readonly better: "more" | "less";
}

/** A rig that a subject builds for one workload. */
export interface Closable {
  /** Note for the reader of its figures: the guarantees it gives, and their scope. */
  readonly note?: string;
  close(): Promise<void>;
}

/**
 * A file in subjects/: its name is the file's name. It exports a builder for each family of workloads it supports,
 * under the family's name, and a reason for each other family. A builder may return the reason instead of a rig.
 */
export type Subject = {
  /** npm package that is measured; its version is printed. */
  readonly library?: string;
  readonly cannot?: Readonly<Record<string, string>>;
} & Readonly<Record<string, unknown>>;

/** Duration of the warm-up and of the measurement of a run, in milliseconds. */
export interface Timing {
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** One run. */
export interface Measurement {
  /** Values, by name of the workload's figure. */
  readonly figures: Readonly<Record<string, number>>;
  /** Number of requests, or other repeated units, behind these figures. */
  readonly requests: number;
  /** Share of the time in which the main thread had a processor: low when the machine was busy. */
  readonly processorShare: number;
  /** Processor time of the whole process for each request, in microseconds, where it is measured. */
  readonly processorUs?: number;
}

/** Message from the process of one run to the runner. */
export interface Reply {
  readonly version: string | undefined;
  readonly note: string | undefined;
  /** The figures, or the reason why the subject cannot do this. */
  readonly result: Measurement | string;
}

/** Condition on a subject's `figure`: within `atLeast` and `atMost`, or that many times the best of `than`. */
export interface Bar {
  /** The subject, PenguiFlow when left out. A named one is not judged where it cannot do the work. */
  readonly of?: string;
  /** The workload's first figure when left out. */
  readonly figure?: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly than?: readonly string[];
  /** With `than`: the figure that suffices, however good the others are. */
  readonly enough?: number;
}

/** Libraries that run graphs, which bars compare with. Genkit has no graph and is shown beside them. */
export const graphLibraries: readonly string[] = ["flowcraft", "langgraph", "llamaindex", "mastra"];

/** Queues between functions; PenguiFlow must be ahead of them in every workload that measures speed. */
export const queues: readonly string[] = ["fastq", "effect-queue", "effect-queue-wide"];

/** PenguiFlow with `NODE_ENV=development`; all other subjects run with `NODE_ENV=production`. */
export const development = "penguiflow-development";

/** PenguiFlow on its checkpoint stores: a workload includes them by name. */
export const checkpointStores: readonly string[] = [
  "memory-checkpoint-store",
  "sqlite-normal",
  "sqlite-full",
  "postgres",
];

/** Clusters and queues with workers in other processes: a workload includes them by name. */
export const clusterSubjects: readonly string[] = [
  "cluster-postgres",
  "cluster-nats",
  "cluster-nats-3",
  "checkpoints-postgres",
  "checkpoints-nats",
  "checkpoints-sqlite",
  "dbos",
  "pg-boss",
  "bullmq",
];

/** Libraries of agents: a workload includes them by name. */
export const agentLibraries: readonly string[] = ["ai-sdk", "openai-agents", "langgraph", "mastra"];

/** The memory service and its peers: a workload includes them by name. */
export const memorySubjects: readonly string[] = ["memory-service", "mem0", "server-memory"];

/** Ways to find the nearest vectors: a workload includes them by name. */
export const vectorSubjects: readonly string[] = ["memory-service", "sqlite-vec", "javascript"];

/** Subjects that take part only where a workload names them. */
const named: ReadonlySet<string> = new Set([
  ...checkpointStores,
  ...clusterSubjects,
  ...memorySubjects,
  ...vectorSubjects,
  "nats",
  "ai-sdk",
  "openai-agents",
  "mastra-studio",
]);

/** Whether a subject takes part in a workload. */
export function takesPart(subject: string, { subjects }: Workload): boolean {
  return subjects === undefined ? !named.has(subject) : subjects.includes(subject);
}

/** Returns the subject that a bar is about. */
export const subjectOf = ({ of = "penguiflow" }: Bar): string => of;
