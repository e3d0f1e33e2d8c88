// A worker of the kill program: a process that is killed and stopped.
import { configureLogging } from "penguiflow";
import { cluster } from "@penguiflow/cluster";
import { observedBackend } from "../../packages/cluster/test/history/observed-backend.ts";
import { backendOfWorker } from "./backends.ts";
import { historyFileIn } from "./history-file.ts";
import { line } from "./ten-nodes.ts";
import { LEASE_MS, PARTITIONS } from "./settings.ts";

configureLogging({ level: "error" });
// the parent may be gone: then there is nothing to work for
process.once("disconnect", () => process.exit());
const backend = observedBackend(await backendOfWorker(), historyFileIn(process.env["HISTORY"]!));
cluster({ name: "kill", backend, partitions: PARTITIONS, leaseMs: LEASE_MS })
  .worker({ name: process.env["WORKER"]!, maxInFlight: 64 })
  .run(line);
