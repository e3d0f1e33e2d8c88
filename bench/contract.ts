/** Work that every subject does in its own way, and how that work is measured. */
export interface Workload<Setup = unknown, Rig extends Closable = Closable> {
  /** Unique, as typed on the command line: `linear-10`. */
  readonly name: string;
  /** The export of a subject module that builds this workload's rig: `linear`. */
  readonly family: string;
  /** What it is, for the reader of the table. */
  readonly title: string;
  /** What is measured; the first is the one that subjects are compared by. */
  readonly figures: readonly [Figure, ...Figure[]];
  readonly setup: Setup;
  /** Who takes part; all but the journals when left out. */
  readonly subjects?: readonly string[];
  /** Whether each run gives the same figures, so that one is enough. @defaultValue false */
  readonly isExact?: boolean;
  /**
   * Warms the rig up, measures it once and checks every answer.
   *
   * @throws Error when an answer is wrong or a count is off: such a run has no figure.
   */
  measure(rig: Rig, timing: Timing): Promise<Measurement>;
  /** What must hold for `npm run bench` to succeed. */
  readonly bars: readonly Bar[];
}

/** Something measured. */
export interface Figure {
  /** With its unit, as it stands in the table: `hops/s`, `p99 ms`. */
  readonly name: string;
  readonly better: "more" | "less";
}

/** What a subject builds for one workload. */
export interface Closable {
  /** What the reader of its figures must know: what it guarantees, and where. */
  readonly note?: string;
  close(): Promise<void>;
}

/**
 * A file in subjects/: its name is the file's name. It exports a builder for each family of workloads it can do, by the
 * family's name, and says of each other family why it cannot. A builder may answer with the reason instead of a rig.
 */
export type Subject = {
  /** The npm package measured, whose version is printed. */
  readonly library?: string;
  readonly cannot?: Readonly<Record<string, string>>;
} & Readonly<Record<string, unknown>>;

/** How long a run warms up and is then measured, in milliseconds. */
export interface Timing {
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** One run. */
export interface Measurement {
  /** By the name of the workload's figure. */
  readonly figures: Readonly<Record<string, number>>;
  /** How many requests, or whatever else the workload repeats, these figures come from. */
  readonly requests: number;
  /** The part of the time in which the main thread had a processor: low when the machine was busy with others. */
  readonly processorShare: number;
  /** Processor time of the whole process for each request, in microseconds, where it is measured. */
  readonly processorUs?: number;
}

/** What the process of one run tells the runner. */
export interface Reply {
  readonly version: string | undefined;
  readonly note: string | undefined;
  /** The figures, or why the subject cannot do this. */
  readonly result: Measurement | string;
}

/** What a subject's `figure` must be: within `atLeast` and `atMost`, or that many times the best of `than`. */
export interface Bar {
  /** The subject, PenguiFlow when left out. One that is named is not judged where it says why it cannot do the work. */
  readonly of?: string;
  /** The workload's first figure when left out. */
  readonly figure?: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly than?: readonly string[];
  /** With `than`: the figure that is enough, however good the others are. */
  readonly enough?: number;
}

/** The libraries that run graphs and that bars compare with. Genkit has no graph, and is shown beside them. */
export const graphLibraries: readonly string[] = ["flowcraft", "langgraph", "llamaindex", "mastra"];

/** The queues between functions that PenguiFlow is to be ahead of in every workload that measures speed. */
export const queues: readonly string[] = ["fastq", "effect-queue", "effect-queue-wide"];

/** PenguiFlow with `NODE_ENV=development`; all other subjects run with `NODE_ENV=production`. */
export const development = "penguiflow-development";

/** PenguiFlow on its journals: they take part where they are named. */
export const journals: readonly string[] = ["memory-journal", "sqlite-normal", "sqlite-full", "postgres"];

/** Whether a subject takes part in a workload. */
export function takesPart(subject: string, { subjects }: Workload): boolean {
  return subjects === undefined ? !journals.includes(subject) : subjects.includes(subject);
}

/** Whose figure a bar is about. */
export const subjectOf = ({ of = "penguiflow" }: Bar): string => of;
