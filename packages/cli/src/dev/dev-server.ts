import { once } from "node:events";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { pageFolder } from "@penguiflow/playground";
import { aguiRoutes } from "./api/agui-routes.ts";
import { feedRoutes } from "./api/feed-routes.ts";
import { projectRoutes } from "./api/project-routes.ts";
import { runRoutes } from "./api/run-routes.ts";
import { ThreadNews } from "./api/thread-news.ts";
import { toolRoutes } from "./api/tool-routes.ts";
import { simulationRoutes } from "./api/simulation-routes.ts";
import { threadRoutes } from "./api/thread-routes.ts";
import { bracketed, type Gate, gateOf } from "./server/gate.ts";
import { httpServer } from "./server/http-server.ts";
import { listen, type Place } from "./server/listen.ts";
import { Router } from "./server/router.ts";
import { Session } from "./server/session.ts";
import { Supervisor, type SupervisorOptions } from "./supervisor/supervisor.ts";

/** Options of the development server. */
export interface DevOptions extends Omit<SupervisorOptions, "onSettings"> {
  readonly place: Place;
  /** @defaultValue a new one for each start */
  readonly token: string | undefined;
  /** Folder of the pages. @defaultValue that of the playground */
  readonly pages?: string;
  readonly onFault: (error: unknown) => void;
}

/** A development server that listens. */
export interface DevServer {
  /** Its address, without the token. */
  readonly origin: string;
  /** The address to open: the token stands behind `#`, which no request carries. */
  readonly url: string;
  readonly token: string;
  readonly port: number;
  readonly supervisor: Supervisor;
  /** Stops listening and ends the project's processes, whose runs have so many milliseconds. */
  close(drainMs?: number): Promise<void>;
}

/** Starts the development server of a project, and loads the project. */
export async function startDevServer(options: DevOptions): Promise<DevServer> {
  const { place, token, onFault } = options;
  let origins: readonly string[] = [];
  let gate: Gate = gateOf(place.host, place.port);
  let session = new Session(place.port, token);
  const supervisor = new Supervisor({
    ...options,
    onSettings: (settings) => {
      ({ origins } = settings);
      gate = gateOf(place.host, port, origins);
    },
  });
  const news = new ThreadNews();
  const routes = [
    ...projectRoutes(supervisor),
    ...feedRoutes(supervisor),
    ...runRoutes(supervisor),
    ...threadRoutes(supervisor, news),
    ...toolRoutes(supervisor),
    ...aguiRoutes(supervisor),
    ...simulationRoutes(supervisor),
  ];
  const server = httpServer({
    gate: () => gate,
    session: () => session,
    router: new Router(routes),
    pages: path.resolve(options.pages ?? fileURLToPath(pageFolder)),
    isReadOnly: false,
    onFault,
  });
  let port = place.port;
  try {
    port = await listen(server, place);
  } catch (error) {
    await supervisor.close(0);
    throw error;
  }
  gate = gateOf(place.host, port, origins);
  session = new Session(port, session.token);
  supervisor.start();
  const origin = `http://${shownHost(place.host)}:${port}`;
  return {
    origin,
    url: `${origin}/#token=${session.token}`,
    token: session.token,
    port,
    supervisor,
    async close(drainMs = 0) {
      const closed = once(server, "close");
      server.close();
      await supervisor.close(drainMs);
      server.closeAllConnections();
      await closed;
    },
  };
}

function shownHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "localhost";
  return bracketed(host);
}
