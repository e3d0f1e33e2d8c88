import { FinalAnswer, payloadNode } from "penguiflow";
import { byJob, type Feature } from "../feature.ts";
import type { Job } from "../jobs.ts";

const HOUR_MS = 3_600_000;
/** Milliseconds after the deadline, or after the start of the process, by which the end must have been fetched. */
const LATE_MS = 10_000;

/** Traces that sleep until their deadlines. */
export const deadlines: Feature = {
  observes: ["exhausted"],
  part: ({ tell, problem }) => {
    const startedAt = Date.now();
    const node = payloadNode({ name: "deadlines", policy: { concurrency: 16 } }, async ({ id }: Job, ctx) => {
      await ctx.sleep(HOUR_MS, { name: "beyond its deadline" });
      throw new Error(`Job ${id} has outlived its deadline`);
    });
    return {
      edges: [node.to()],
      async send({ job, flow, traceId, tenant }) {
        await flow.emit(job, { traceId, tenant, to: "deadlines", timeoutMs: 50 + job.expiresMs });
      },
      fetched({ id }, { payload, deadlineAt = 0 }) {
        if (!(payload instanceof FinalAnswer)) problem(`Job ${id} has the result ${JSON.stringify(payload)}`);
        tell({ what: "exhausted", id, value: Date.now() - deadlineAt });
        const lateMs = Date.now() - Math.max(deadlineAt, startedAt);
        if (lateMs > LATE_MS) problem(`Job ${id} has ended ${lateMs} ms after its deadline`);
      },
    };
  },
  *verify(observed, results) {
    for (const [id, ends] of byJob(observed, "exhausted")) {
      // a process that is killed before it has stored the delivery leaves it to the next
      if (new Set(ends.map(({ life }) => life)).size < ends.length)
        yield `Job ${id} has exhausted its deadline ${ends.length} times`;
      for (const { value = 0 } of ends) if (value < 0) yield `Job ${id} has ended ${-value} ms before its deadline`;
      if (results.has(id)) yield `Job ${id} has exhausted its deadline and has a result`;
    }
  },
};
