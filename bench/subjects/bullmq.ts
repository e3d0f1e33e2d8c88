// Ten steps in one job that stores how far it is after each, as the pattern "process step jobs" of its documentation
// does: a job for each step costs several times as much. Jobs are added in bulk, removed when they are completed, and
// one listener receives all results: waiting for each job would ask the server about each.
import { Queue, QueueEvents, Worker } from "bullmq";
import { type BenchClient, rigOf, startRedis } from "../cluster-rig.ts";
import type { Working } from "../cluster-worker.ts";
import type { ClusterRig, Passed } from "../workloads/cluster.ts";

export const library = "bullmq";

const STEPS = 10;
const NAME = "line";
/** As many as are requested at once. */
const CONCURRENCY = 500;

// blocking commands wait for ever, as its documentation demands of workers
const connectionOf = (address: string) => ({ host: "127.0.0.1", port: Number(address), maxRetriesPerRequest: null });

async function clientOf(address: string): Promise<BenchClient> {
  const queue = new Queue<Passed>(NAME, { connection: connectionOf(address) });
  const events = new QueueEvents(NAME, { connection: connectionOf(address) });
  await events.waitUntilReady();
  const waiting = new Map<string, (answer: Passed) => void>();
  events.on("completed", ({ jobId, returnvalue }) => {
    waiting.get(jobId)?.(returnvalue as unknown as Passed);
    waiting.delete(jobId);
  });
  return {
    async request(ids) {
      const answers = ids.map((id) => new Promise<Passed>((resolve) => waiting.set(`trace-${id}`, resolve)));
      await queue.addBulk(
        ids.map((id) => {
          return { name: NAME, data: { id, steps: 0 }, opts: { jobId: `trace-${id}`, removeOnComplete: true } };
        }),
      );
      return await Promise.all(answers);
    },
    async close() {
      await events.close();
      await queue.close();
    },
  };
}

export async function cluster(): Promise<ClusterRig | string> {
  return await rigOf("bullmq", startRedis, clientOf);
}

export async function work(address: string): Promise<Working> {
  const worker = new Worker<Passed, Passed>(
    NAME,
    async (job) => {
      let passed = job.data;
      while (passed.steps < STEPS) {
        passed = { id: passed.id, steps: passed.steps + 1 };
        await job.updateData(passed);
      }
      return passed;
    },
    { connection: connectionOf(address), concurrency: CONCURRENCY },
  );
  await worker.waitUntilReady();
  return {};
}
