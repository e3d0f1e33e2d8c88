import { joinK, limiter, type Message, payloadNode, shape } from "penguiflow";
import { type Feature, type Report, sleep } from "../feature.ts";
import { type Job, valueOf } from "../jobs.ts";

interface Part {
  readonly job: Job;
  readonly index: number;
}

/** Handlers of two nodes that share a limiter: one at a time for each tenant. */
export const limits: Feature = {
  observes: ["alone"],
  counts: ({ parts }) => ({ limits: 1, limited: parts, together: 1, report: 1, conclude: 1 }),
  part: ({ defect, affect, tell, problem, conclude }) => {
    const shared = limiter({
      concurrency: defect === "loose-limits" ? 2 : 1,
      by: ({ headers }) => headers.tenant,
    });
    const policy = { concurrency: 16, limiter: shared, ordering: "none" } as const;
    const busy = new Map<string, number>();

    /** Works for some milliseconds, in which no handler of the same tenant may. */
    const work = async ({ id, tenant, sleepMs }: Job): Promise<void> => {
      const other = busy.get(tenant);
      if (other !== undefined) problem(`The limiter lets jobs ${other} and ${id} of tenant "${tenant}" run at once`);
      busy.set(tenant, id);
      await sleep(sleepMs % 4);
      busy.delete(tenant);
      tell({ what: "alone", id });
    };

    const node = payloadNode({ name: "limits", policy }, async (job: Job, ctx): Promise<void> => {
      await affect(ctx, { what: "charge", id: job.id, value: valueOf(job) });
      await work(job);
      for (let index = 0; index < job.parts; index += 1) await ctx.emit({ job, index } satisfies Part);
    });
    const limited = payloadNode({ name: "limited", policy }, async (part: Part): Promise<Part> => {
      await work(part.job);
      return part;
    });
    const together = joinK("together", (first: Message<Part>) => first.payload.job.parts, {
      input: shape<Part>(),
      policy: { concurrency: 16 },
    });
    const report = payloadNode({ name: "report", policy: { concurrency: 16 } }, (parts: Part[]): Report => {
      const { job } = parts[0] as Part;
      return { job, value: valueOf(job), by: [] };
    });
    return { edges: [node.to(limited).to(together).to(report).to(conclude)] };
  },
};
