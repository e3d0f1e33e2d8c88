// A worker of the kill program: a process that is killed and stopped.
import { configureLogging } from "penguiflow";
import { cluster } from "@penguiflow/cluster";
import { backendOfWorker } from "./backends.ts";
import { line } from "./ten-nodes.ts";
import { LEASE_MS, PARTITIONS } from "./settings.ts";

configureLogging({ level: "error" });
// the parent may be gone: then there is nothing to work for
process.once("disconnect", () => process.exit());
cluster({ name: "kill", backend: await backendOfWorker(), partitions: PARTITIONS, leaseMs: LEASE_MS })
  .worker({ name: process.env["WORKER"]!, maxInFlight: 64 })
  .run(line);
