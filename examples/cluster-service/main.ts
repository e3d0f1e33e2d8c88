// A worker with probes, a monitor for an autoscaler, and a drain from elsewhere: the processes of the image, here in one.
//
//   npm run example examples/cluster-service/main.ts
import { setTimeout as sleep } from "node:timers/promises";
import { formatDrain } from "@penguiflow/cluster";
import { configureLogging } from "penguiflow";
import { orders } from "./flow.ts";
import { startMonitor } from "./monitor.ts";
import { openBackend, shop } from "./shop.ts";
import { startWorker } from "./worker.ts";

const ORDERS = 50;

/** Runs the demonstration. Returns the state that the monitor told. */
export async function main(): Promise<string> {
  configureLogging({ level: "error" });
  await using backend = await openBackend({});
  await using monitor = await startMonitor(backend, 0);
  const worker = await startWorker(backend, "ada", 0);
  const ask = async (url: string): Promise<string> => await (await fetch(url)).text();

  while ((await fetch(`${worker.url}/ready`)).status !== 200) await sleep(20);
  console.log(`/ready: ${await ask(`${worker.url}/ready`)}`);

  await using client = shop(backend).client();
  const items = Array.from({ length: ORDERS }, (_, index) => `tent ${index}`);
  const shipped = await Promise.all(items.map((item, index) => client.call(orders, item, { id: `order-${index}` })));
  console.log(`\n${shipped.length} orders shipped; /load: ${await ask(`${monitor.url}/load`)}`);
  // workers tell of their partitions once a second
  const isTold = async (): Promise<boolean> => {
    const { flows, problems } = await shop(backend).status();
    return flows.length > 0 && problems.length === 0;
  };
  while (!(await isTold())) await sleep(100);
  const status = await ask(`${monitor.url}/status`);
  console.log(`\n${status}`);
  const metrics = await ask(`${worker.url}/metrics`);
  console.log(metrics.split("\n").find((line) => line.startsWith("penguiflow_cluster_traces_ended_total")));

  console.log(`\n${formatDrain(await shop(backend).drain("ada"))}`);
  await worker.ended;
  return status;
}

if (import.meta.main) await main();
