// A queue for each step, whose worker inserts the jobs of the next one in the transaction that completes its own: there
// is no other way to resume after the last stored step. Jobs are fetched, completed and inserted 500 at a time, and
// workers are woken by NOTIFY. What is completed stays in its tables, as it does by default.
import { PgBoss } from "pg-boss";
import { type BenchClient, rigOf, startPostgres } from "../cluster-rig.ts";
import type { Working } from "../cluster-worker.ts";
import type { ClusterRig, Passed } from "../workloads/cluster.ts";

export const library = "pg-boss";

const STEPS = 10;
const queueOf = (steps: number): string => (steps === STEPS ? "done" : `step${steps + 1}`);
const POLLING = { batchSize: 500, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true };

async function bossAt(address: string): Promise<PgBoss> {
  const boss = new PgBoss({ connectionString: address, useListenNotify: true, schedule: false });
  boss.on("error", (error) => {
    throw error;
  });
  await boss.start();
  for (let steps = 0; steps <= STEPS; steps += 1) await boss.createQueue(queueOf(steps), { notify: true });
  return boss;
}

async function clientOf(address: string): Promise<BenchClient> {
  const boss = await bossAt(address);
  const waiting = new Map<number, (answer: Passed) => void>();
  await boss.work<Passed, void, typeof POLLING>(queueOf(STEPS), POLLING, async (jobs) => {
    for (const { data } of jobs) {
      waiting.get(data.id)?.(data);
      waiting.delete(data.id);
    }
  });
  return {
    async request(ids) {
      const answers = ids.map((id) => new Promise<Passed>((resolve) => waiting.set(id, resolve)));
      await boss.insert(
        queueOf(0),
        ids.map((id) => {
          return { data: { id, steps: 0 } };
        }),
      );
      return await Promise.all(answers);
    },
    close: async () => await boss.stop({ graceful: false }),
  };
}

export async function cluster(): Promise<ClusterRig | string> {
  return await rigOf("pg-boss", startPostgres, clientOf);
}

export async function work(address: string): Promise<Working> {
  const boss = await bossAt(address);
  const options = { ...POLLING, transactional: true } as const;
  for (let steps = 0; steps < STEPS; steps += 1)
    await boss.work<Passed, void, typeof options>(queueOf(steps), options, async (jobs, db) => {
      const next = jobs.map(({ data }) => {
        return { data: { id: data.id, steps: data.steps + 1 } };
      });
      await boss.insert(queueOf(steps + 1), next, { db });
    });
  return {};
}
