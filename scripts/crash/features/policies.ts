import { payloadNode } from "penguiflow";
import { byJob, type Feature, type Report } from "../feature.ts";
import { type Job, valueOf } from "../jobs.ts";

/** A failure that says when to come back. */
class Busy extends Error {
  readonly afterMs: number;

  constructor(afterMs: number) {
    super(`come back in ${afterMs} ms`);
    this.afterMs = afterMs;
  }
}

/** Most retries of a job. */
const retriesOf = ({ hops }: Job): number => hops % 4;

/**
 * Traces that fail a few times at a node whose policy looks at each message. Each failure says when to come back. The
 * last one becomes a value. The result lists the attempt that succeeded, or 0, and its failures and most retries.
 */
export const policies: Feature = {
  observes: ["tried", "failed", "given up"],
  counts: () => ({ policies: 1, conclude: 1 }),
  part: ({ defect, affect, tell, conclude }) => {
    const reportOf = (job: Job, attempt: number): Report => ({
      job,
      value: valueOf(job),
      by: [attempt, job.failures, retriesOf(job)],
    });
    const node = payloadNode(
      {
        name: "policies",
        policy: {
          concurrency: 16,
          backoffBaseMs: 0,
          perMessage: ({ payload }: { readonly payload: Job }) => ({
            maxRetries: defect === "blind-policies" ? 0 : retriesOf(payload),
            retryAfterMs: (error) => (error instanceof Busy ? error.afterMs : undefined),
            onFailed: () => {
              tell({ what: "given up", id: payload.id });
              return reportOf(payload, 0);
            },
          }),
        },
      },
      async (job: Job, ctx): Promise<Report> => {
        const { attempt } = ctx;
        tell({ what: "tried", id: job.id, attempt, value: Date.now() });
        await affect(ctx, { what: "charge", id: job.id, value: valueOf(job) });
        if (attempt > job.failures) return reportOf(job, attempt);
        // long, so that many a kill falls within it
        const afterMs = 3 * job.sleepMs;
        tell({ what: "failed", id: job.id, attempt, value: Date.now() + afterMs });
        throw new Busy(afterMs);
      },
    );
    return { edges: [node.to(conclude)] };
  },
  *verify(observed, results) {
    for (const [id, { by }] of results) {
      const [attempt = 0, failures = 0, most = 0] = by;
      if (attempt !== (failures > most ? 0 : failures + 1))
        yield `Job ${id} with ${failures} failures and ${most} retries has succeeded in attempt ${attempt}`;
    }
    for (const [id, reports] of byJob(observed, "tried", "failed")) {
      let [failed, notBefore] = [0, 0];
      for (const { what, attempt = 0, value = 0, life } of reports) {
        if (what === "failed") [failed, notBefore] = [attempt, value];
        else if (attempt > failed && value < notBefore)
          yield `Job ${id} was tried again in life ${life}, ${notBefore - value} ms sooner than its failure has said`;
      }
    }
  },
};
