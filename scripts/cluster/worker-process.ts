// A worker of the kill and soak programs: a process that is killed, stopped and cut off.
import { flushCompileCache } from "node:module";
import { configureLogging } from "penguiflow";
import { cluster } from "@penguiflow/cluster";
import { observedBackend } from "../../packages/cluster/test/history/observed-backend.ts";
import { backendOfWorker } from "./backends.ts";
import { historyFileIn } from "./history-file.ts";
import { line } from "./ten-nodes.ts";
import { LEASE_MS, PARTITIONS } from "./settings.ts";
import { ASK_MEMORY, type WorkerMessage } from "./worker-message.ts";

configureLogging({ level: "error" });
// the parent may be gone: then there is nothing to work for
process.once("disconnect", () => process.exit());
const tell = (message: WorkerMessage): void => void process.send?.(message, undefined, undefined, () => {});
const write = historyFileIn(process.env["HISTORY"]!);
const backend = observedBackend(await backendOfWorker(), (event) => {
  write(event);
  if (event.type === "appended" && event.put.length > 0) tell({ kind: "progress", partition: event.partition });
});
process.on("message", (message: { readonly kind: string }) => {
  if (message.kind !== ASK_MEMORY.kind) return;
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  tell({ kind: "memory", heap: heapUsed + external, resident: rss });
});
cluster({ name: process.env["CLUSTER"]!, backend, partitions: PARTITIONS, leaseMs: LEASE_MS })
  // here it is the program that ends owners, and not a trace
  .worker({ name: process.env["WORKER"]!, maxInFlight: 64, maxLostOwners: Number.POSITIVE_INFINITY })
  .run(line);
// a killed process would leave none for the next one
flushCompileCache();
