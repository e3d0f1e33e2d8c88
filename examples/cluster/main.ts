// Three workers share the traces of one flow. One of them is killed in the midst of its work, and another joins. The
// client calls the flow as if it were in its own process, and sees its results alone.
//
//   npm run example examples/cluster/main.ts
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cluster, hostBackend, ipcChannel, memoryBackend } from "@penguiflow/cluster";
import { orders } from "./flow.ts";

const ORDERS = 900;

/** Runs the orders. Returns how many each worker has shipped. */
export async function main(): Promise<ReadonlyMap<string, number>> {
  // the state of the cluster: here in this process, in production in a database
  await using backend = memoryBackend();
  const shipped = new Map<string, number>();
  const workers = new Map(["ada", "bert", "cleo"].map((name) => [name, begin(name)]));
  function begin(name: string): ChildProcess {
    shipped.set(name, 0);
    const worker = fork(path.join(import.meta.dirname, "worker.ts"), {
      env: { ...process.env, WORKER: name },
      execArgv: [...process.execArgv],
      serialization: "advanced",
    });
    hostBackend(backend, ipcChannel(worker));
    return worker;
  }

  try {
    await using client = cluster({ name: "shop", backend, partitions: 12, leaseMs: 1_000 }).client();
    // each takes its share of the partitions as it joins
    while ((await client.load(orders)).members < workers.size) await sleep(50);
    let answers = 0;
    const answered = Array.from({ length: ORDERS }, async (_, index) => {
      const { item, by } = await client.call(orders, `tent ${index}`, { id: `order-${index}` });
      if (item !== `a box with tent ${index}`) throw new Error(`Wrong answer to order ${index}: ${item}`);
      shipped.set(by, (shipped.get(by) ?? 0) + 1);
      answers += 1;
      if (answers !== ORDERS / 3) return;
      console.log(`${answers} of ${ORDERS} orders are shipped; ada is killed, and dora begins`);
      workers.get("ada")!.kill("SIGKILL");
      workers.set("dora", begin("dora"));
    });
    await Promise.all(answered);
    console.log(`all ${answers} orders are shipped, each once`);
  } finally {
    for (const worker of workers.values()) worker.kill("SIGTERM");
    for (const worker of workers.values())
      if (worker.exitCode === null && worker.signalCode === null) await once(worker, "exit");
  }
  return shipped;
}

if (import.meta.main) {
  for (const [worker, count] of [...(await main())].sort(([one], [other]) => one.localeCompare(other)))
    console.log(`${worker.padEnd(5)} shipped ${count}`);
}
