import { type EmitOptions, FinalAnswer, type Flow, FlowError, type FlowErrorCode, payloadNode } from "penguiflow";
import type { Feature, Report } from "../feature.ts";
import { type Job, jobId, jobOf, type Result, valueOf } from "../jobs.ts";

const HOUR_MS = 3_600_000;
/** Number of earlier lives whose ids are offered again, and of jobs per life that are looked through. */
const LIVES = 3;
const LIVES_OF_LAST = 20;
const JOBS = 30;
/** Codes with which callers of a late trace are answered: those that join it have a deadline of their own. */
const ENDS_OF_LATE: ReadonlySet<FlowErrorCode> = new Set(["DEADLINE_EXCEEDED", "WAIT_TIMEOUT"]);

/** Whether a trace outlives its deadline, and has no result. */
const isLate = ({ hasDeadline, route }: Job): boolean => hasDeadline && route === "think";

/**
 * Traces that are admitted by id. Their callers offer each id again in later lives, while its trace is in flight or
 * when its outcome is kept, and with another input besides. A second run would have another key in its result.
 */
export const ids: Feature = {
  observes: ["told", "told again", "DEADLINE_EXCEEDED", "refused"],
  counts: (job) => (isLate(job) ? undefined : { ids: 1, conclude: 1 }),
  part: ({ seed, life, isLast, flow, affect, tell, tellResult, problem, conclude }) => {
    const node = payloadNode({ name: "ids", policy: { concurrency: 16 } }, async (job: Job, ctx): Promise<Report> => {
      if (isLate(job)) await ctx.sleep(HOUR_MS, { name: "beyond its deadline" });
      await affect(ctx, { what: "charge", id: job.id, value: valueOf(job) });
      await ctx.sleep(job.sleepMs, { name: "a while" });
      return { job, value: valueOf(job), by: [] };
    });

    const offer = async (job: Job): Promise<void> => {
      const { id, tenant } = job;
      const options = {
        id: String(id),
        keepMs: HOUR_MS,
        tenant,
        to: "ids",
        timeoutMs: isLate(job) ? 50 + job.expiresMs : undefined,
      };
      const end = await ways[job.way](flow(), job, options).catch((error: unknown) => {
        if (isLate(job) && error instanceof FlowError && ENDS_OF_LATE.has(error.code)) return error.code;
        throw error;
      });
      if (typeof end === "object") {
        if (isLate(job)) problem(`Id ${id} has outlived its deadline`);
        tellResult(end);
      }
      tell({ what: typeof end === "string" ? end : job.life === life ? "told" : "told again", id });
      // a trace that outlives its deadline before it is accepted leaves the id free
      if (isLate(job)) return;
      const refusal: unknown = await flow()
        .call({ ...job, parts: job.parts + 1 }, options)
        .catch((error: unknown) => error);
      if (refusal instanceof FlowError && refusal.code === "ID_CONFLICT") tell({ what: "refused", id });
      else if (flow().isRunning) problem(`Id ${id} was accepted and has taken another input`);
    };

    return {
      edges: [node.to(conclude)],
      fetched(job, { payload }) {
        if (!isLate(job)) tellResult(payload as Result);
        else if (!(payload instanceof FinalAnswer)) problem(`Id ${job.id} has outlived its deadline`);
      },
      send: ({ job }) => offer(job),
      async work() {
        const lives = Array.from({ length: isLast ? LIVES_OF_LAST : LIVES }, (_, index) => life - 1 - index);
        // an id that no earlier life has offered begins now
        const jobs = lives
          .filter((earlier) => earlier > 0)
          .flatMap((earlier) => Array.from({ length: JOBS }, (_, n) => jobOf(seed, jobId(earlier, n))));
        await Promise.all(jobs.filter(({ feature }) => feature === "ids").map((job) => offer(job)));
      },
    };
  },
};

/** Offers an id. Resolves with the result, unless that is to be fetched. */
type Way = (flow: Flow<Job, Result>, job: Job, options: EmitOptions) => Promise<Result | undefined>;

const ways: Record<Job["way"], Way> = {
  async call(flow, job, options) {
    if (job.hasDeadline) return await flow.call(job, options);
    const outcome = await flow.outcome(job, options);
    if (outcome.status !== "completed") throw outcome.error;
    return outcome.result;
  },
  async emit(flow, job, options) {
    await flow.emit(job, options);
    return undefined;
  },
  async stream(flow, job, options) {
    let result: Result | undefined;
    for await (const item of flow.stream(job, { ...options, onLeave: "detach" }))
      if (item.type === "result") result = item.result;
    if (result === undefined) throw new Error(`The stream of id ${job.id} has ended without a result`);
    return result;
  },
};
