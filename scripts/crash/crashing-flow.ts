import { randomUUID } from "node:crypto";
import {
  type AnyEdges,
  type Context,
  create,
  createFrom,
  type Durability,
  joinK,
  type Logger,
  type Message,
  payloadNode,
  predicateRouter,
  shape,
  WM,
} from "penguiflow";
import type { Effects } from "./effects.ts";
import type { FeatureSetting, Report } from "./feature.ts";
import { type FlowEffect, hopsOf, type Job, type Result, valueOf } from "./jobs.ts";

const RETRIES = 3;

type Part = { readonly job: Job; readonly index: number };
type Piece = Part & { readonly by: "flaky" | "slow" };

/** Prompt of a pause. */
export interface Question {
  readonly id: number;
  readonly which: number;
  /** Earliest life in which the question may be answered. */
  readonly fromLife: number;
}

/** Dependencies of the flow on its process. */
export interface Surroundings {
  readonly durability: Durability;
  readonly effects: Effects<FlowEffect["what"]>;
  readonly life: number;
  readonly logger: Logger;
  /** Called for each effect whose state an earlier process left unknown. */
  readonly onUnknown: () => void;
  /** Called for each sleep that is over, with whether it ended sooner than one that began anew in this life. */
  readonly onSlept: (isContinued: boolean) => void;
  /** Called for each question that expires. */
  readonly onExpired: () => void;
  /** Makes the edges of the features, each from a node of its name. */
  readonly featureEdges: (parts: Pick<FeatureSetting, "affect" | "conclude">) => readonly AnyEdges[];
}

/** Node at which the traces of jobs without a feature begin. */
export const ENTRY = "split";

/**
 * Builds a flow with everything a crash can interrupt: fan-out and join, retries, a loop, pauses, sleeps, chunks, side
 * effects, budgets, a log, playbooks, and the features.
 */
export function crashingFlow({
  durability,
  effects,
  life,
  logger,
  onUnknown,
  onSlept,
  onExpired,
  featureEdges,
}: Surroundings) {
  const startedAt = Date.now();
  const concurrency = 16;
  const policy = { concurrency };
  const retrying = { concurrency, maxRetries: RETRIES, backoffBaseMs: 2, maxBackoffMs: 4 };

  /** Performs an effect unless an earlier life has performed it. */
  const affect = async (ctx: Context, effect: Omit<FlowEffect, "key">, failures = 0): Promise<void> => {
    const act = (key: string): boolean => {
      if (ctx.attempt <= failures) throw new Error(`try ${ctx.attempt} of "${effect.what}" fails`);
      effects.add({ ...effect, key });
      if (effect.what === "charge") ctx.budget.spend({ charges: 1 });
      return true;
    };
    const findOut = (key: string): boolean => {
      onUnknown();
      return effects.has(effect.what, key) || act(key);
    };
    await ctx.once(effect.what, act, { ifFailed: "run", ifUnknown: findOut });
  };

  const split = payloadNode({ name: ENTRY, policy }, async (job: Job, ctx): Promise<Part> => {
    for (let index = 0; index < job.parts - 1; index += 1) {
      await ctx.emit({ job, index });
      if (index % 2 === 1) await ctx.sleep(0);
    }
    return { job, index: job.parts - 1 };
  });

  const flaky = payloadNode({ name: "flaky", policy: retrying }, async ({ job, index }: Part, ctx): Promise<Piece> => {
    await ctx.log.append([`flaky ${index}`]);
    if (index === job.failsAt && ctx.attempt <= job.failures) throw new Error(`part ${index} is broken`);
    return { job, index, by: "flaky" };
  });

  const slow = payloadNode({ name: "slow", policy }, async ({ job, index }: Part, ctx): Promise<Piece> => {
    await ctx.log.append([`slow ${index}`]);
    if ((job.id + index) % 3 === 0) await ctx.sleep(index % 4);
    return { job, index, by: "slow" };
  });

  const gather = joinK("gather", (first: Message<Piece>) => 2 * first.payload.job.parts, {
    input: shape<Piece>(),
    policy,
  });

  const merge = payloadNode({ name: "merge", policy }, async (pieces: Piece[], ctx): Promise<Report> => {
    const { job } = pieces[0] as Piece;
    for (const by of ["flaky", "slow"]) {
      const indices = pieces.filter((piece) => piece.by === by && piece.job.id === job.id).map(({ index }) => index);
      if (indices.length !== job.parts || indices.some((index, place) => index !== place))
        throw new Error(`The join of ${job.parts} parts has ${indices.join()} from "${by}"`);
    }
    for (let count = 0; count < job.chunks; count += 1) await ctx.emitChunk({ text: `${job.id}:${count}` });
    return { job, value: pieces.reduce((sum, { index }) => sum + job.id + index, 0), by: [] };
  });

  const charge = payloadNode({ name: "charge", policy: retrying }, async (report: Report, ctx): Promise<Report> => {
    await affect(ctx, { what: "charge", id: report.job.id, value: report.value }, report.job.chargeFailures);
    return report;
  });

  const route = predicateRouter("route", ({ payload: { job } }: Message<Report>) =>
    job.route === "think" ? "begin" : job.route,
  );

  const begin = payloadNode(
    { name: "begin", policy },
    (report: Report): WM<Report> => new WM({ query: String(report.job.id), facts: [report] }),
  );

  const think = payloadNode(
    { name: "think", allowCycle: true, policy },
    async (memory: WM<Report>, ctx): Promise<WM<Report> | Report> => {
      const [{ job, value, by }] = memory.facts as [Report];
      if (memory.tokensUsed !== memory.hops) throw new Error(`Hop ${memory.hops} comes after ${memory.tokensUsed}`);
      const hops = memory.hops + 1;
      await ctx.log.append([`hop ${hops}`]);
      return hops === job.hops ? { job, value: value + hops, by } : memory.with({ tokensUsed: hops });
    },
  );

  const answered = async ({ job, value }: Report, ctx: Context): Promise<Report> => {
    const questions = job.waits.map((wait, which): Question => ({ id: job.id, which, fromLife: life + wait }));
    const by = await Promise.all(
      questions.map((payload) => ctx.pause<number>({ reason: `question ${payload.which}`, payload })),
    );
    return { job, value, by };
  };

  const stamp = payloadNode({ name: "stamp", policy }, (report: Report) => ({ report, stamp: randomUUID() }));
  const prompt = payloadNode(
    { name: "prompt", policy },
    async ({ report, stamp: own }: { readonly report: Report; readonly stamp: string }, ctx): Promise<Report> => {
      const first = await ctx.once("stamp", () => own, { ifUnknown: "run" });
      if (first !== own) throw new Error(`Job ${report.job.id} was stamped again by a node that had committed`);
      return await answered(report, ctx);
    },
  );
  const asking = create(stamp.to(prompt), { name: "asking", graceMs: 50 });

  const ask = payloadNode({ name: "ask", policy }, async (report: Report, ctx): Promise<Report> =>
    report.job.id % 2 === 0 ? await answered(report, ctx) : await ctx.callPlaybook(asking, report),
  );

  const wait = payloadNode({ name: "wait", policy }, async (report: Report, ctx): Promise<Report> => {
    const { id, sleepMs, expiresMs } = report.job;
    const begunAt = await ctx.once("begun", () => Date.now(), { ifUnknown: "run" });
    await ctx.sleep(sleepMs, { name: "nap" });
    const now = Date.now();
    if (now < begunAt + sleepMs) throw new Error(`The sleep of job ${id} ended ${begunAt + sleepMs - now} ms early`);
    onSlept(now < startedAt + sleepMs);
    const answer = await ctx.pause<string>({
      reason: "a question that is never answered",
      expiresAt: begunAt + sleepMs + expiresMs,
      ifExpired: () => "no answer",
    });
    if (answer !== "no answer") throw new Error(`Job ${id} has the answer ${JSON.stringify(answer)}`);
    onExpired();
    return report;
  });

  const conclude = payloadNode({ name: "conclude", policy }, async ({ job, value, by }: Report, ctx) => {
    const result: Result = { id: job.id, value, by, key: ctx.idempotencyKey };
    if (value !== valueOf(job)) throw new Error(`Job ${job.id} comes to ${value}, not ${valueOf(job)}`);
    // an effect that a crash has left unknown is not repeated, and its charge not spent
    const { charges = 0, hops = 0 } = ctx.budget.spent;
    if (charges > 1 || hops !== hopsOf(job))
      throw new Error(`Job ${job.id} has spent ${charges} charges, ${hops} hops`);
    if (job.feature === undefined) requireLogged(job, await ctx.log.read<string>());
    await affect(ctx, { what: "result", id: job.id, value: result });
    return result;
  });

  return createFrom<Job, Result>(
    [
      split.to(flaky, slow).to(gather).to(merge).to(charge).to(route),
      route.to(begin, ask, wait, conclude),
      begin.to(think),
      think.to(think, conclude),
      ask.to(conclude),
      wait.to(conclude),
      ...featureEdges({ affect, conclude }),
    ],
    { name: "crash", queueMaxSize: 16, graceMs: 50, durability, logger },
  );
}

/** Throws unless the log of a job without a feature has each part and each hop once, and the hops in order. */
function requireLogged({ id, parts, route, hops }: Job, log: readonly string[]): void {
  const wanted = Array.from({ length: parts }, (_, index) => [`flaky ${index}`, `slow ${index}`]).flat();
  const thought = route === "think" ? Array.from({ length: hops }, (_, index) => `hop ${index + 1}`) : [];
  const logged = log.filter((item) => !item.startsWith("hop"));
  if (logged.toSorted().join() !== wanted.toSorted().join() || log.slice(logged.length).join() !== thought.join())
    throw new Error(`The log of job ${id} has ${log.join()}`);
}
