import { FlowError, payloadNode, type StreamItem } from "penguiflow";
import { byJob, type Feature, type Report, sleep } from "../feature.ts";
import { type Job, type Result, valueOf } from "../jobs.ts";

/** Numbers of signals per life: the number of a signal divided by this is its life. */
const SIGNALS_PER_LIFE = 10_000;

/** Whether the trace of a job is called, so that only its caller is told a result of the same life. */
const isCalled = ({ id }: Job): boolean => id % 2 === 1;

/** Returns how many signals a trace receives: few, since it waits for them in several lives. */
const wanted = ({ hops }: Job): number => 2 + (hops % 2);

/**
 * Traces that receive a few signals, which several lives send. The result lists the numbers of those received. A trace
 * that is called leaves memory while it waits, once its caller is gone with its life.
 */
export const signals: Feature = {
  observes: ["sending", "sent"],
  counts: () => ({ signals: 1, conclude: 1 }),
  mayGoWithCaller: (job, { by }) => isCalled(job) && Math.floor((by.at(-1) ?? 0) / SIGNALS_PER_LIFE) === job.life,
  part: ({ life, isLast, affect, tell, tellResult, problem, conclude }) => {
    const node = payloadNode(
      { name: "signals", policy: { concurrency: 16 } },
      async (job: Job, ctx): Promise<Report> => {
        await affect(ctx, { what: "charge", id: job.id, value: valueOf(job) });
        const by: number[] = [];
        for await (const number of ctx.signals<number>("number")) if (by.push(number) === wanted(job)) break;
        return { job, value: valueOf(job), by };
      },
    );
    const read = async (stream: AsyncIterable<StreamItem<Result>>): Promise<void> => {
      for await (const item of stream) if (item.type === "result") tellResult(item.result);
    };
    return {
      edges: [node.to(conclude)],
      async send({ job, flow, traceId, tenant }) {
        const options = { traceId, tenant, to: "signals" };
        if (!isCalled(job)) {
          await flow.emit(job, options);
          return;
        }
        const stream = flow.stream(job, options);
        await stream.accepted();
        void read(stream).catch((error: unknown) => problem(String(error)));
      },
      async attend({ job, flow, traceId, tenant, isOver }) {
        const most = isLast ? SIGNALS_PER_LIFE : 1 + (job.chunks % 2);
        for (let count = 0; count < most && !isOver(); count += 1) {
          await sleep(job.sleepMs % 16);
          const value = life * SIGNALS_PER_LIFE + count;
          tell({ what: "sending", id: job.id, value });
          try {
            await flow.signal(traceId, "number", value, { tenant });
          } catch (error) {
            if (error instanceof FlowError && (error.code === "TRACE_UNKNOWN" || error.code === "TRACE_ENDED")) return;
            throw error;
          }
          tell({ what: "sent", id: job.id, value });
        }
      },
    };
  },
  *verify(observed, results) {
    const [sending, sent] = [byJob(observed, "sending"), byJob(observed, "sent")];
    for (const [id, { by }] of results) {
      const last = by.at(-1) ?? 0;
      const announced = new Set((sending.get(id) ?? []).map(({ value }) => value));
      for (const [index, number] of by.entries()) {
        if (by.indexOf(number) !== index) yield `Job ${id} has received signal ${number} twice: ${by.join()}`;
        if (number < (by[index - 1] ?? 0)) yield `Job ${id} has received its signals in the order ${by.join()}`;
        if (!announced.has(number)) yield `Job ${id} has received signal ${number}, which was never sent`;
      }
      for (const { value = 0 } of sent.get(id) ?? [])
        if (value < last && !by.includes(value))
          yield `Job ${id} was sent signal ${value}, which is lost: it has received ${by.join()}`;
    }
  },
};
