// Watches the cluster, one process for all: figures for the autoscaler, metrics of the whole, its status as text.
import process from "node:process";
import { formatStatus } from "@penguiflow/cluster";
import { observeCluster } from "@penguiflow/otel";
import { configureLogging, defaultLogger } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { orders } from "./flow.ts";
import { OperatorPort } from "./operator-port.ts";
import { openBackend, shop } from "./shop.ts";

/** A monitor and its port. */
export interface RunningMonitor extends AsyncDisposable {
  readonly url: string;
}

/** Starts a monitor. */
export async function startMonitor(backend: ClusterBackend, port: number): Promise<RunningMonitor> {
  const made = shop(backend);
  const client = made.client();
  const operators = new OperatorPort({
    "/live": () => ({ status: 200, body: "live" }),
    // KEDA reads "wanted"
    "/load": async () => ({ status: 200, body: await client.load(orders) }),
    "/status": async () => ({ status: 200, body: formatStatus(await made.status()) }),
  });
  observeCluster(made, { meterProvider: operators.meterProvider });
  const url = await operators.listen(port);
  return {
    url,
    async [Symbol.asyncDispose]() {
      await operators[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
    },
  };
}

if (import.meta.main) {
  configureLogging({ structured: true });
  const stopped = Promise.withResolvers<void>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopped.resolve());
  await using backend = await openBackend(process.env);
  await using monitor = await startMonitor(backend, Number(process.env["PORT"] ?? "9464"));
  defaultLogger.info("started", { url: monitor.url });
  await stopped.promise;
}
