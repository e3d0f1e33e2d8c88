import { existsSync } from "node:fs";
import path from "node:path";
import type * as Clusters from "@penguiflow/cluster";
import type * as Nats from "@penguiflow/cluster-nats";
import type * as Postgres from "@penguiflow/state-postgres";
import { configureLogging } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { usage } from "../command-line/parse.ts";
import { CliError, Exit } from "../exit.ts";
import type { Io } from "../io.ts";
import { hidden, packageOf } from "../package-of.ts";
import { load } from "../project/load-project.ts";

/** Flags that say which cluster is meant. */
export interface ClusterPlace {
  readonly backend: string | undefined;
  readonly cluster: string | undefined;
}

/** A cluster that a command looks at, with the package that knows it. */
export interface OpenCluster {
  readonly name: string;
  readonly backend: ClusterBackend;
  readonly package: typeof Clusters;
}

/**
 * Opens the backend of a cluster, and closes it after use. The packages are those of the project.
 *
 * @throws CliError when none is named, a package is missing, or it does not open
 */
export async function withCluster<Result>(
  io: Io,
  place: ClusterPlace,
  use: (cluster: OpenCluster) => Promise<Result>,
): Promise<Result> {
  const at = place.backend ?? io.env["PENGUIFLOW_BACKEND"];
  const name = place.cluster ?? io.env["PENGUIFLOW_CLUSTER"];
  if (at === undefined) throw usage("No backend is named: use --backend, or set PENGUIFLOW_BACKEND");
  if (name === undefined) throw usage("No cluster is named: use --cluster, or set PENGUIFLOW_CLUSTER");
  configureLogging({ level: "error" });
  const clusters = await packageOf<typeof Clusters>(io, "cluster", "@penguiflow/cluster");
  const backend = await opened(at, () => openBackend(io, at));
  try {
    return await use({ name, backend, package: clusters });
  } finally {
    await backend[Symbol.asyncDispose]();
  }
}

async function openBackend(io: Io, at: string): Promise<ClusterBackend> {
  if (/^postgres(?:ql)?:/.test(at)) {
    const { postgresBackend } = await packageOf<typeof Postgres>(io, "cluster", "@penguiflow/state-postgres");
    return await postgresBackend({ connection: at, patienceMs: 3_000 });
  }
  if (at.startsWith("nats:")) {
    const { natsBackend } = await packageOf<typeof Nats>(io, "cluster", "@penguiflow/cluster-nats");
    return await natsBackend({ servers: at.split(",").map((url) => url.replace(/^nats:\/\//, "")), patienceMs: 3_000 });
  }
  const file = path.resolve(io.cwd, at);
  if (!existsSync(file))
    throw new CliError({ code: "BACKEND_MISSING", exit: Exit.UNKNOWN, message: `There is no file ${file}` });
  const { default: open } = await load(file, io.cwd);
  if (typeof open !== "function")
    throw new CliError({
      code: "BACKEND_INVALID",
      exit: Exit.NO_FLOW,
      message: `${at} must export a function as default, which opens the backend`,
    });
  return (await (open as () => unknown)()) as ClusterBackend;
}

async function opened(at: string, open: () => Promise<ClusterBackend>): Promise<ClusterBackend> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError({
      code: "BACKEND_FAILED",
      exit: Exit.FAILED,
      message: `Cannot open the backend ${hidden(at)}: ${error instanceof Error ? error.message : String(error)}`,
      cause: error,
    });
  }
}
