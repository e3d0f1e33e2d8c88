// One worker of examples/cluster/main.ts, a process of its own.
import { configureLogging } from "penguiflow";
import { cluster, ipcChannel, remoteBackend } from "@penguiflow/cluster";
import { orders } from "./flow.ts";

configureLogging({ level: "error" });
const backend = remoteBackend(ipcChannel(process));
const worker = cluster({ name: "shop", backend, partitions: 12, leaseMs: 1_000 })
  .worker({ name: process.env["WORKER"] ?? "worker" })
  .run(orders);

process.once("SIGTERM", () => {
  worker.drain().then(
    () => process.disconnect(),
    (error: unknown) => {
      console.error(error);
      process.exitCode = 1;
    },
  );
});
