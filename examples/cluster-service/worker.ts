// A worker of the service: runs the flow until SIGTERM, or until it is drained from elsewhere. Probes on PORT.
import process from "node:process";
import type { ClusterBackend } from "penguiflow/adapter";
import { observeWorker } from "@penguiflow/otel";
import { configureLogging, defaultLogger, errorPayload } from "penguiflow";
import { orders } from "./flow.ts";
import { OperatorPort } from "./operator-port.ts";
import { openBackend, shop } from "./shop.ts";

/** Longest time that handlers have to finish at a drain. The platform's grace period must be longer. */
const DRAIN_MS = 20_000;

/** A worker and its port. */
export interface RunningWorker {
  readonly url: string;
  /** Asks it to drain. */
  drain(): void;
  /** Resolves once it has drained, also when another program asked for it, and the port is closed. */
  readonly ended: Promise<void>;
}

/** Starts a worker. */
export async function startWorker(
  backend: ClusterBackend,
  name: string | undefined,
  port: number,
): Promise<RunningWorker> {
  const worker = shop(backend).worker({ name, drainMs: DRAIN_MS }).run(orders);
  const operators = new OperatorPort({
    // 503 has the platform start the process anew
    "/live": () => ({ status: worker.health().isLive ? 200 : 503, body: worker.health() }),
    // 503 has a rollout wait
    "/ready": () => ({ status: worker.health().isReady ? 200 : 503, body: worker.health() }),
  });
  observeWorker(worker, { meterProvider: operators.meterProvider });
  const url = await operators.listen(port);
  const end = async (): Promise<void> => {
    const { partitions } = await worker.drained;
    defaultLogger.info("drained", { member: worker.name, partitions });
    await operators[Symbol.asyncDispose]();
  };
  const drain = (): void =>
    void worker.drain().catch((error: unknown) => defaultLogger.error("drain_failed", { error: errorPayload(error) }));
  return { url, drain, ended: end() };
}

if (import.meta.main) {
  configureLogging({ structured: true });
  const { NAME, PORT = "9464" } = process.env;
  await using backend = await openBackend(process.env);
  const worker = await startWorker(backend, NAME, Number(PORT));
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => worker.drain());
  defaultLogger.info("started", { url: worker.url });
  await worker.ended;
}
