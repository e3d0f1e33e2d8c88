import { aguiRoutes } from "./api/agui-routes.ts";
import { entryRoutes } from "./api/entry-routes.ts";
import { feedRoutes } from "./api/feed-routes.ts";
import { projectRoutes } from "./api/project-routes.ts";
import { runRoutes } from "./api/run-routes.ts";
import { simulationRoutes } from "./api/simulation-routes.ts";
import { ThreadNews } from "./api/thread-news.ts";
import { threadRoutes } from "./api/thread-routes.ts";
import { toolRoutes } from "./api/tool-routes.ts";
import { type OpenServer, openServer, type Served } from "./server/open-server.ts";
import { Supervisor, type SupervisorOptions } from "./supervisor/supervisor.ts";

/** Options of the development server. */
export interface DevOptions
  extends Omit<SupervisorOptions, "onSettings">, Pick<Served, "place" | "token" | "pages" | "onFault"> {}

/** A development server that listens. */
export interface DevServer extends Pick<OpenServer, "origin" | "url" | "token" | "port"> {
  readonly supervisor: Supervisor;
  /** Stops listening and ends the project's processes, whose runs have so many milliseconds. */
  close(drainMs?: number): Promise<void>;
}

/** Starts the development server of a project, and loads the project. */
export async function startDevServer(options: DevOptions): Promise<DevServer> {
  let server: OpenServer | undefined;
  const supervisor = new Supervisor({ ...options, onSettings: ({ origins }) => server?.allow(origins) });
  const routes = [
    ...projectRoutes(supervisor),
    ...entryRoutes(supervisor),
    ...feedRoutes(supervisor),
    ...runRoutes(supervisor),
    ...threadRoutes(supervisor, new ThreadNews()),
    ...toolRoutes(supervisor),
    ...aguiRoutes(supervisor),
    ...simulationRoutes(supervisor),
  ];
  try {
    server = await openServer({ ...options, routes, isReadOnly: false });
  } catch (error) {
    await supervisor.close(0);
    throw error;
  }
  const { origin, url, token, port } = server;
  supervisor.start();
  return {
    origin,
    url,
    token,
    port,
    supervisor,
    async close(drainMs = 0) {
      await server.close();
      await supervisor.close(drainMs);
    },
  };
}
