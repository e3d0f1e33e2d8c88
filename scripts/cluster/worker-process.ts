// A worker of the kill program: a process that is killed and stopped.
import { configureLogging } from "penguiflow";
import { cluster, ipcChannel, remoteBackend } from "@penguiflow/cluster";
import { line } from "./ten-nodes.ts";
import { LEASE_MS, PARTITIONS } from "./settings.ts";

configureLogging({ level: "error" });
// the parent may be gone: then there is nothing to work for
process.once("disconnect", () => process.exit());
cluster({ name: "kill", backend: remoteBackend(ipcChannel(process)), partitions: PARTITIONS, leaseMs: LEASE_MS })
  .worker({ name: process.env["WORKER"]!, maxInFlight: 64 })
  .run(line);
