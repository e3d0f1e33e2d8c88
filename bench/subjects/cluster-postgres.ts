import { postgresBackend } from "@penguiflow/state-postgres";
import { startPostgres } from "../cluster-rig.ts";
import { type Backend, clustered, withMembers, workerOn } from "../penguiflow-cluster.ts";

export const backend: Backend = {
  start: startPostgres,
  open: async (connection) => await postgresBackend({ connection }),
};

export const cluster = clustered("cluster-postgres", backend);

export const members = withMembers("cluster-postgres", backend);

export const work = workerOn(backend);
