import type { AnyEdges, Message, Outbox, UnfinishedTrace } from "penguiflow";
import type { FeaturePart, FeatureSetting, Observation } from "./feature.ts";
import { features } from "./features.ts";
import { type FeatureName, type Job, jobOf } from "./jobs.ts";

/** Dependencies of {@link Attending} on its process. */
interface Surroundings extends Pick<FeatureSetting, "seed" | "life" | "isLast" | "flow" | "defect" | "tellResult"> {
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
    const { seed, life, isLast, flow, defect, tell, tellResult, problem } = this.#surroundings;
    return (Object.keys(features) as FeatureName[]).flatMap((name) => {
      const part = features[name].part({
        ...own,
        seed,
        life,
        isLast,
        flow,
        defect,
        tellResult,
        tell: (observation) => tell(name, observation),
        problem: (what) => problem(what, `Feature "${name}"`),
      });
      this.#parts[name] = part;
      return part.edges;
    });
  }

  /** Sends a job that begins at the node of its feature. */
  async begin(job: Job, feature: FeatureName): Promise<void> {
    const [flow, traceId, { tenant }] = [this.#surroundings.flow(), String(job.id), job];
    const part = this.#part(feature);
    await (part.send?.({ job, flow, traceId, tenant }) ?? flow.emit(job, { traceId, tenant, to: feature }));
    this.#attend(job, feature, tenant, false);
  }

  /** Does the features' work beside the traces. Resolves when it is done. */
  async work(): Promise<void> {
    await Promise.all(
      Object.entries(this.#parts).map(async ([name, part]) => {
        await part.work?.().catch((error: unknown) => this.#surroundings.problem(error, `Feature "${name}"`));
      }),
    );
  }

  /** Receiver of the outcomes of accepted traces. */
  get outbox(): Outbox {
    return this.#part("intake").outbox as Outbox;
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
