import { FlowError, payloadNode } from "penguiflow";
import { byJob, type Feature, sleep } from "../feature.ts";
import { isDue, type Job } from "../jobs.ts";

const HOUR_MS = 3_600_000;

/** Traces that sleep until they are cancelled, in the same life or a later one. They have no other end. */
export const cancels: Feature = {
  observes: ["cancelled"],
  part: ({ life, isLast, tell, problem }) => {
    const node = payloadNode({ name: "cancels", policy: { concurrency: 16 } }, async ({ id }: Job, ctx) => {
      await ctx.sleep(HOUR_MS, { name: "until it is cancelled" });
      throw new Error(`Job ${id} was not cancelled`);
    });
    return {
      edges: [node.to()],
      async attend({ job, flow, traceId, tenant }) {
        if (!isDue(job, life, isLast)) return;
        await sleep(job.sleepMs / 10);
        const { found } = await flow.cancel(traceId, { tenant, reason: "the plan" });
        if (!found) problem(`Job ${job.id} was to be cancelled and has ended before`);
        tell({ what: "cancelled", id: job.id });
        const end: unknown = await flow.fetch({ traceId, tenant }).catch((error: unknown) => error);
        if (!(end instanceof FlowError && (end.code === "TRACE_CANCELLED" || end.code === "FLOW_STOPPED")))
          problem(`Job ${job.id} was cancelled and ended with ${JSON.stringify(end)}`);
      },
    };
  },
  *verify(observed, results) {
    for (const [id, ends] of byJob(observed, "cancelled")) {
      if (ends.length > 1)
        yield `Job ${id} was cancelled in lives ${ends.map(({ life }) => life).join()}: once is enough`;
      if (results.has(id)) yield `Job ${id} was cancelled and has a result`;
    }
  },
};
