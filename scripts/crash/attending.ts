import type { AnyEdges, Flow, Message, UnfinishedTrace } from "penguiflow";
import type { FeaturePart, FeatureSetting, Observation } from "./feature.ts";
import { features } from "./features.ts";
import { type FeatureName, type Job, jobOf, type Result } from "./jobs.ts";

/** Dependencies of {@link Attending} on its process. */
interface Surroundings extends Pick<FeatureSetting, "life" | "isLast"> {
  readonly seed: number;
  readonly flow: () => Flow<Job, Result>;
  readonly tell: (feature: FeatureName, observation: Observation) => void;
  readonly problem: (error: unknown, where: string) => void;
}

/** Runs the features' parts of a process. */
export class Attending {
  readonly #surroundings: Surroundings;
  #parts: Partial<Record<FeatureName, FeaturePart>> = {};
  /** Jobs whose results were fetched. */
  readonly #over = new Set<number>();
  readonly #working = new Set<Promise<void>>();

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** Makes the edges of all features. */
  edges(own: Pick<FeatureSetting, "affect" | "conclude">): readonly AnyEdges[] {
    const { life, isLast, tell, problem } = this.#surroundings;
    return (Object.keys(features) as FeatureName[]).flatMap((name) => {
      const part = features[name].part({
        ...own,
        life,
        isLast,
        tell: (observation) => tell(name, observation),
        problem: (what) => problem(what, `Feature "${name}"`),
      });
      this.#parts[name] = part;
      return part.edges;
    });
  }

  /** Sends a job that begins at the node of its feature. */
  async begin(job: Job, feature: FeatureName): Promise<void> {
    const [traceId, { tenant }] = [String(job.id), job];
    const timeoutMs = this.#part(feature).timeoutMs?.(job);
    await this.#surroundings.flow().emit(job, { traceId, tenant, to: feature, timeoutMs });
    this.#attend(job, feature, tenant, false);
  }

  /** Continues the work on the traces of earlier lives. */
  goOn(unfinished: readonly UnfinishedTrace[]): void {
    for (const { traceId, tenant, status } of unfinished) {
      const job = jobOf(this.#surroundings.seed, Number(traceId));
      if (job.feature !== undefined) this.#attend(job, job.feature, tenant, status === "failed");
    }
  }

  /** Takes an item that was fetched. Returns whether it is a result. */
  fetched(item: Message): boolean {
    const job = jobOf(this.#surroundings.seed, Number(item.traceId));
    this.#over.add(job.id);
    const part = job.feature === undefined ? undefined : this.#part(job.feature);
    part?.fetched?.(job, item);
    return part?.fetched === undefined;
  }

  /** Resolves when no part works any more. */
  async ended(): Promise<void> {
    await Promise.all(this.#working);
  }

  #attend(job: Job, feature: FeatureName, tenant: string, hasFailed: boolean): void {
    const flow = this.#surroundings.flow();
    const isOver = (): boolean => this.#over.has(job.id) || !flow.isRunning;
    const trace = { job, flow, traceId: String(job.id), tenant, hasFailed, isOver };
    const work = (this.#part(feature).attend?.(trace) ?? Promise.resolve())
      .catch((error: unknown) => this.#surroundings.problem(error, `Feature "${feature}" on job ${job.id}`))
      .finally(() => this.#working.delete(work));
    this.#working.add(work);
  }

  #part(feature: FeatureName): FeaturePart {
    return this.#parts[feature] as FeaturePart;
  }
}
