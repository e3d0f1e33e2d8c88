import { payloadNode } from "penguiflow";
import type { Feature, Observed, Report } from "../feature.ts";
import { type Job, tenantOf, valueOf } from "../jobs.ts";

/** Key of all exclusive traces: they take turns within their tenants. */
const KEY = "turn";

/** Exclusive traces. They sleep between two nodes, so that kills find them at rest and unloaded, too. */
export const turns: Feature = {
  observes: ["begun", "ended"],
  counts: () => ({ turns: 1, turned: 1, conclude: 1 }),
  part: ({ affect, tell, tellResult, conclude }) => {
    const policy = { concurrency: 16 };
    const begin = payloadNode({ name: "turns", policy }, async (job: Job, ctx): Promise<Report> => {
      tell({ what: "begun", id: job.id });
      await affect(ctx, { what: "charge", id: job.id, value: valueOf(job) });
      await ctx.sleep(job.sleepMs / 2, { name: "a while" });
      return { job, value: valueOf(job), by: [] };
    });
    const end = payloadNode({ name: "turned", policy }, (report: Report): Report => {
      tell({ what: "ended", id: report.job.id });
      return report;
    });
    return {
      edges: [begin.to(end), end.to(conclude)],
      async send({ job, flow, traceId, tenant }) {
        tellResult(await flow.call(job, { traceId, tenant, to: "turns", exclusive: KEY }));
      },
    };
  },
  *verify(observed) {
    const first = new Map<number, number>();
    const last = new Map<number, number>();
    for (const [at, { id }] of observed.entries()) {
      if (!first.has(id)) first.set(id, at);
      last.set(id, at);
    }
    // reports come in the order of what they report, so that traces overlap if their reports do
    const current = new Map<string, Observed>();
    for (const [at, report] of observed.entries()) {
      const { id } = report;
      const holder = current.get(tenantOf(id));
      if (holder !== undefined && holder.id !== id && (last.get(holder.id) ?? 0) > at)
        yield `Jobs ${holder.id} and ${id} have run at once in life ${report.life}, with the same exclusive key`;
      if (first.get(id) === at) current.set(tenantOf(id), report);
    }
  },
};
