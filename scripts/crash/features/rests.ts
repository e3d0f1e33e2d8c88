import { subscribe } from "node:diagnostics_channel";
import { payloadNode } from "penguiflow";
import { byJob, type Feature, type Report, sleep } from "../feature.ts";
import { isDue, type Job, valueOf } from "../jobs.ts";

/** Milliseconds after which a trace must have continued, from its instant or from the start of the process. */
const LATE_MS = 10_000;

/** Returns how a resting trace is continued. */
const endOf = ({ id }: Job): "answer" | "cancel" | "instant" =>
  (["answer", "cancel", "instant"] as const)[id % 3] as "answer";

/**
 * Traces that leave memory while they wait: for an answer or an instant, or to be cancelled. Either comes in the same
 * life or in a later one.
 */
export const rests: Feature = {
  observes: ["unloaded", "answered", "cancelled", "woken"],
  counts: (job) => (endOf(job) === "cancel" ? undefined : { rests: 1, conclude: 1 }),
  part: ({ life, isLast, affect, tell, tellResult, problem, conclude }) => {
    const startedAt = Date.now();
    // an observed flow does more than another, so that not every life is observed
    if (life % 3 > 0)
      subscribe("penguiflow:trace_unload", (event) =>
        tell({ what: "unloaded", id: Number((event as { readonly traceId: string }).traceId) }),
      );
    const node = payloadNode({ name: "rests", policy: { concurrency: 16 } }, async (job: Job, ctx): Promise<Report> => {
      const { id, sleepMs } = job;
      const begunAt = await ctx.once("begun", () => Date.now(), { ifUnknown: "run" });
      const at = begunAt + sleepMs;
      const by = await ctx.pause<number>({
        reason: "a while",
        ...(endOf(job) === "instant" ? { expiresAt: at, ifExpired: () => 0 } : {}),
      });
      if (endOf(job) === "instant") {
        const lateMs = Date.now() - Math.max(at, startedAt);
        if (Date.now() < at || lateMs > LATE_MS) problem(`Job ${id} has continued ${lateMs} ms after its instant`);
        tell({ what: "woken", id });
      }
      await affect(ctx, { what: "charge", id, value: valueOf(job) });
      return { job, value: valueOf(job), by: [by] };
    });
    return {
      edges: [node.to(conclude)],
      async send({ job, flow, traceId, tenant }) {
        const { status } = await flow.outcome(job, { traceId, tenant, to: "rests" });
        if (status !== "paused" && status !== "stopped") problem(`Job ${job.id} has ended with ${status}`);
      },
      async attend({ job, flow, traceId, tenant, isOver }) {
        const end = endOf(job);
        if (end === "instant" || !isDue(job, life, isLast)) return;
        await sleep(job.sleepMs / 4);
        if (isOver()) return;
        if (end === "cancel") {
          const { found } = await flow.cancel(traceId, { tenant });
          if (!found) problem(`Job ${job.id} was to be cancelled and is gone`);
          tell({ what: "cancelled", id: job.id });
          return;
        }
        // none is open if an earlier life has answered it
        for (const { token } of await flow.pauses.list({ traceId, tenant })) {
          const outcome = await flow.pauses.resume(token, life, { tenant });
          if (outcome.status === "stopped") return;
          tell({ what: "answered", id: job.id, value: life });
          if (outcome.status === "completed") tellResult(outcome.result);
          else problem(`Job ${job.id} was answered and has ended with ${outcome.status}`);
        }
      },
    };
  },
  *verify(observed, results) {
    for (const [id, [cancelled, ...more]] of byJob(observed, "cancelled"))
      if (cancelled !== undefined && (more.length > 0 || results.has(id)))
        yield `Job ${id} was cancelled in life ${cancelled.life} and has gone on`;
    for (const [id, answers] of byJob(observed, "answered"))
      for (const { value } of answers)
        if (results.get(id)?.by[0] !== value)
          yield `Job ${id} was answered in life ${value} and has the answer of ${results.get(id)?.by[0]}`;
  },
};
