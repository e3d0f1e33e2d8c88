import { FlowError, payloadNode } from "penguiflow";
import { type Feature, type Report, sleep } from "../feature.ts";
import { isDue, type Job, valueOf } from "../jobs.ts";

/** Traces that fail until they are mended, in the same life or a later one, and are retried then. */
export const retries: Feature = {
  observes: ["failed", "retried"],
  counts: () => ({ retries: 1, conclude: 1 }),
  part: ({ life, isLast, affect, tell, conclude }) => {
    const failed = new Set<number>();
    const mended = new Set<number>();
    const node = payloadNode(
      { name: "retries", policy: { concurrency: 16 } },
      async (job: Job, ctx): Promise<Report> => {
        await affect(ctx, { what: "charge", id: job.id, value: valueOf(job) });
        if (mended.has(job.id)) return { job, value: valueOf(job), by: [] };
        failed.add(job.id);
        tell({ what: "failed", id: job.id });
        throw new Error(`job ${job.id} is broken`);
      },
    );
    return {
      edges: [node.to(conclude)],
      async attend({ job, flow, traceId, tenant, hasFailed, isOver }) {
        if (!isDue(job, life, isLast)) return;
        while (!isOver()) {
          if (hasFailed || failed.has(job.id)) mended.add(job.id);
          try {
            await flow.recovery.retryFailed(traceId, { tenant });
            tell({ what: "retried", id: job.id });
          } catch (error) {
            // it has not failed yet, or continues already
            if (!(error instanceof FlowError && error.code === "TRACE_UNKNOWN")) throw error;
          }
          await sleep(5);
        }
      },
    };
  },
  *verify(observed, results) {
    const failed = new Set(observed.flatMap(({ what, id }) => (what === "failed" ? [id] : [])));
    for (const id of results.keys()) if (!failed.has(id)) yield `Job ${id} has a result and has never failed`;
  },
};
