/** Work that every subject does in its own way, and how that work is measured. */
export interface Workload<Setup = unknown, Rig extends Closable = Closable> {
  /** Unique, as typed on the command line: `linear-10`. */
  readonly name: string;
  /** The export of a subject module that builds this workload's rig: `linear`. */
  readonly family: string;
  /** What is counted, in the plural: `hops`. */
  readonly unit: string;
  readonly setup: Setup;
  /**
   * Warms the rig up, measures it once and checks every answer.
   *
   * @throws Error when an answer is wrong or a count is off: such a run has no figure.
   */
  measure(rig: Rig, timing: Timing): Promise<Measurement>;
  /** What must hold for `npm run bench` to succeed. Empty: measured on request only. */
  readonly bars: readonly Bar[];
}

/** What a subject builds for one workload. */
export interface Closable {
  close(): Promise<void>;
}

/** A file in subjects/: its name is the file's name, its exports besides `library` are builders by family. */
export type Subject = {
  /** The npm package measured, whose version is printed. */
  readonly library?: string;
} & Readonly<Record<string, unknown>>;

/** How long a run warms up and is then measured, in milliseconds. */
export interface Timing {
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** One run: more units in less time is better. */
export interface Measurement {
  readonly requests: number;
  readonly units: number;
  readonly elapsedMs: number;
  /** The part of that time in which the main thread had a processor: low when the machine was busy with others. */
  readonly processorShare: number;
}

/** What the process of one run tells the runner. */
export interface Reply {
  readonly version: string | undefined;
  /** Missing when the subject does not build this family of workloads. */
  readonly measurement: Measurement | undefined;
}

/** `subject` reaches at least `atLeast` times the fastest of `than`. */
export interface Bar {
  readonly subject: string;
  readonly atLeast: number;
  readonly than: readonly string[];
}
