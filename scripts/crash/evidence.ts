import type { Checkpoint } from "penguiflow";
import { Effects } from "./effects.ts";
import type { Observed } from "./feature.ts";
import { features } from "./features.ts";
import { countsOf, type FeatureName, type FlowEffect, jobOf, type Result, valueOf } from "./jobs.ts";
import type { Told } from "./life-process.ts";
import { Reports } from "./reports.ts";
import { openCheckpoints, type Store } from "./stores.ts";

/** Reports of the processes that run the flow, and the violations they reveal. */
export class Evidence extends Reports {
  /** Observations by feature. */
  readonly #observed = new Map<FeatureName, Observed[]>();
  readonly #seed: number;
  readonly #accepted = new Set<number>();
  readonly #results = new Map<number, Result>();
  /** Life in which a question was answered, by job and question. */
  readonly #answered = new Map<string, number>();

  constructor(seed: number) {
    super([
      "answers",
      "chunks",
      "recoveries",
      "resumed",
      "unknown effects",
      "sleeps",
      "sleeps continued",
      "expired questions",
      ...Object.entries(features).flatMap(([name, { observes }]) => observes.map((what) => `${name}: ${what}`)),
    ]);
    this.#seed = seed;
  }

  /** Records a report from the process of that life. */
  take(told: Told, life: number): void {
    const { figures } = this;
    switch (told.type) {
      case "accepted":
        figures.accepted += 1;
        this.#accepted.add(told.id);
        break;
      case "result":
        this.#see(told.result);
        break;
      case "answered":
        this.count("answers");
        this.#answered.set(`${told.id}/${told.which}`, life);
        break;
      case "unknown":
        this.count("unknown effects");
        break;
      case "slept":
        this.count("sleeps");
        if (told.isContinued) this.count("sleeps continued");
        break;
      case "expired":
        this.count("expired questions");
        break;
      case "chunk":
        this.count("chunks");
        break;
      case "observed": {
        const { feature, observation } = told;
        this.count(`${feature}: ${observation.what}`);
        this.#observed.set(feature, [...(this.#observed.get(feature) ?? []), { ...observation, life }]);
        break;
      }
      case "ready":
      case "problem":
      case "warm":
      case "done":
        this.takeCommon(told, life);
    }
  }

  #see(result: Result): void {
    const before = this.#results.get(result.id);
    if (before === undefined) {
      this.figures.results += 1;
      this.#results.set(result.id, result);
    } else if (textOf(before) !== textOf(result))
      this.problem(`Job ${result.id} was seen to result in ${textOf(before)} and in ${textOf(result)}`);
  }

  /** Compares the reports with the contents of the store and with the external effects after the last life. */
  async verify(store: Store, effectsFile: string): Promise<Readonly<Record<string, number>>> {
    const { done, charges } = this.#verifyEffects(effectsFile);
    for (const id of this.#accepted) {
      if (this.#countsOf(id) === undefined) continue;
      const result = done.get(id);
      if (result === undefined) this.problem(`Job ${id} was accepted and lost: it has no result`);
      else if (!this.#results.has(id) && !this.#mayGoWithCaller(result))
        this.problem(`The result of job ${id}, which was accepted, was never fetched`);
    }
    for (const [id, result] of this.#results) {
      const outside = done.get(id);
      if (outside === undefined) this.problem(`Job ${id} has a result that was never recorded`);
      else if (textOf(outside) !== textOf(result))
        this.problem(`Job ${id} has recorded ${textOf(outside)} and given out ${textOf(result)}`);
    }
    for (const [question, life] of this.#answered) {
      const [id, which] = question.split("/").map(Number) as [number, number];
      const by = done.get(id)?.by[which];
      if (by !== life)
        this.problem(`Question ${which} of job ${id} was answered in life ${life}; it has the answer of ${by}`);
    }
    const wanted = new Map<string, number>();
    for (const id of done.keys()) {
      if (!charges.has(id)) this.problem(`Job ${id} was never charged`);
      for (const [node, count] of Object.entries(this.#countsOf(id) ?? {}))
        wanted.set(node, (wanted.get(node) ?? 0) + count);
    }
    for (const id of charges) if (!done.has(id)) this.problem(`Job ${id} was charged and has no result`);
    for (const [name, feature] of Object.entries(features))
      for (const problem of feature.verify?.(this.#observed.get(name as FeatureName) ?? [], this.#resultsOf(name)) ??
        [])
        this.problem(problem);
    const counts = await this.#verifyCheckpoints(store);
    for (const node of new Set([...wanted.keys(), ...counts.keys()])) {
      const [is, should] = [counts.get(node) ?? 0, wanted.get(node) ?? 0];
      if (is > should)
        this.problem(`Node "${node}" has committed ${is} messages, ${is - should} too many: delivered twice`);
      if (is < should) this.problem(`Node "${node}" has committed ${is} messages, ${should - is} too few`);
    }
    return Object.fromEntries(counts);
  }

  #mayGoWithCaller(result: Result): boolean {
    const job = jobOf(this.#seed, result.id);
    return job.feature !== undefined && (features[job.feature].mayGoWithCaller?.(job, result) ?? false);
  }

  /** Returns how many messages each node handles for a job; `undefined` for a job without a result. */
  #countsOf(id: number): Readonly<Record<string, number>> | undefined {
    const job = jobOf(this.#seed, id);
    return job.feature === undefined ? countsOf(job) : features[job.feature].counts?.(job);
  }

  /** Returns the results of a feature's jobs. */
  #resultsOf(name: string): Map<number, Result> {
    return new Map([...this.#results].filter(([id]) => jobOf(this.#seed, id).feature === name));
  }

  #verifyEffects(file: string): { readonly done: Map<number, Result>; readonly charges: Set<number> } {
    const done = new Map<number, Result>();
    const charges = new Set<number>();
    const keys = new Set<string>();
    using effects = new Effects<FlowEffect["what"]>(file);
    for (const { what, id, key, value } of effects.all()) {
      const has = what === "charge" ? charges.has(id) : done.has(id);
      if (has) this.problem(`The effect "${what}" of job ${id} was performed twice`);
      if (!has && keys.has(key)) this.problem(`The key of the effect "${what}" of job ${id} is that of another`);
      keys.add(key);
      if (what === "charge") charges.add(id);
      else done.set(id, value as Result);
      const right = valueOf(jobOf(this.#seed, id));
      if (what === "result" && (value as Result).value !== right)
        this.problem(`Job ${id} has recorded ${textOf(value as Result)}, and ${right} would be right`);
    }
    return { done, charges };
  }

  async #verifyCheckpoints(store: Store): Promise<ReadonlyMap<string, number>> {
    await using checkpoints = await openCheckpoints(store);
    for (const wrong of (await checkpoints.integrityCheck?.()) ?? []) this.problem(`The file is damaged: ${wrong}`);
    const partition = await checkpoints.open({ partition: "crash", owner: "evidence", leaseMs: 60_000 });
    const left: Checkpoint[] = [];
    for await (const page of partition.read()) left.push(...page);
    if (left.length > 0)
      this.problem(
        `${left.length} entries are left in the checkpoint store, such as ${left[0]?.traceId}: ${left[0]?.state}`,
      );
    const counts = await partition.counts();
    await partition.close();
    return counts;
  }
}

function textOf({ id, value, by, key }: Result): string {
  return JSON.stringify({ id, value, by, key });
}
