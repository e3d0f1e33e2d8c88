// A workflow of ten steps: DBOS stores the result of each, and goes on after the last one that is stored. The worker
// starts the workflows itself, which its documentation shows first, and which spares DBOS its queue and the client.
import { DBOS } from "@dbos-inc/dbos-sdk";
import { rigOf, startPostgres } from "../cluster-rig.ts";
import type { Working } from "../cluster-worker.ts";
import type { ClusterRig, Passed } from "../workloads/cluster.ts";

export const library = "@dbos-inc/dbos-sdk";

const STEPS = 10;

async function step(steps: number): Promise<number> {
  return steps + 1;
}

async function line(id: number): Promise<Passed> {
  let steps = 0;
  for (let index = 1; index <= STEPS; index += 1)
    steps = await DBOS.runStep(() => step(steps), { name: `step${index}` });
  return { id, steps };
}

export async function cluster(): Promise<ClusterRig | string> {
  return await rigOf("dbos", startPostgres);
}

export async function work(address: string): Promise<Working> {
  const workflow = DBOS.registerWorkflow(line, { name: "line" });
  DBOS.setConfig({
    name: "bench",
    systemDatabaseUrl: address,
    // no telemetry; as many connections as its documentation names for production
    logLevel: "error",
    systemDatabasePoolSize: 20,
  });
  await DBOS.launch();
  return {
    async request(ids) {
      const handles = await Promise.all(ids.map((id) => DBOS.startWorkflow(workflow)(id)));
      return await Promise.all(handles.map((handle) => handle.getResult()));
    },
  };
}
