import type { MemoryServices } from "../memory-services.ts";
import type { JobFigures, JobReport, JobState } from "../store/job-rows.ts";
import type { Rows } from "../store/rows.ts";

/** The way of an owner's fragments to the vectors of the current model. */
export interface ModelProgress {
  /** The model that gives vectors to fragments. */
  readonly current: string;
  /** The model whose vectors answer now, which differs from `current` during a switch. @defaultValue none yet */
  readonly active?: string | undefined;
  /** The owner's fragments with a vector of the current model. */
  readonly ready: number;
  /** The owner's fragments. */
  readonly total: number;
}

/** The queue of embedding jobs, as far as it is about an owner's fragments. */
export interface Queue {
  /** The first of the jobs, in the order in which they are due. */
  readonly jobs: readonly JobReport[];
  readonly figures: JobFigures;
  /** Absent without an embedder: fragments are found by words alone. */
  readonly model?: ModelProgress | undefined;
}

/** Reads the queue of an owner. */
export async function queueOf(
  { models, limits }: Pick<MemoryServices, "models" | "limits">,
  rows: Rows,
  owner: string,
  state: JobState | undefined,
): Promise<Queue> {
  const queue = {
    jobs: await rows.jobs.ofOwner(owner, state, limits.page),
    figures: await rows.jobs.figures(owner),
  };
  const current = models.current?.name;
  if (current === undefined) return queue;
  const active = await rows.settings.get("active_model");
  return { ...queue, model: { current, active, ...(await rows.fragments.withVectors(owner, current)) } };
}
