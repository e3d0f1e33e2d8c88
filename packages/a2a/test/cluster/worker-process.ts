// A worker of the cluster of cluster.test.ts, in a process that the test can kill.
import process from "node:process";
import { cluster, ipcChannel, remoteBackend } from "@penguiflow/cluster";
import { booking, clerk, telling } from "./flows.ts";
import { SETTINGS } from "./settings.ts";

const worker = process.argv[2] ?? "";
const resources = { worker };
cluster({ ...SETTINGS, backend: remoteBackend(ipcChannel(process)) })
  .worker({ name: worker })
  .run(telling, { resources })
  .run(booking, { resources })
  .run(clerk.flow);
