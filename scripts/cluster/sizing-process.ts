// The worker of the sizing program: tells its processor time when it is asked.
import { configureLogging } from "penguiflow";
import { natsBackend } from "@penguiflow/cluster-nats";
import { cluster } from "@penguiflow/cluster";
import { postgresBackend } from "@penguiflow/state-postgres";
import { sizingOptions } from "./sizing-options.ts";
import { quickLine } from "./ten-quick-nodes.ts";

configureLogging({ level: "error" });
// the parent may be gone: then there is nothing to work for
process.once("disconnect", () => process.exit());
const { POSTGRES, NATS = "", REPLICAS = "1" } = process.env;
const backend =
  POSTGRES === undefined
    ? await natsBackend({ servers: NATS.split(","), replicas: Number(REPLICAS) })
    : await postgresBackend({ connection: POSTGRES });
cluster({ ...sizingOptions, backend })
  .worker({ name: "worker" })
  .run(quickLine);
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
