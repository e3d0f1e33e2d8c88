import { once } from "node:events";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { pageFolder } from "@penguiflow/playground";
import { bracketed, gateOf } from "./gate.ts";
import { httpServer } from "./http-server.ts";
import { listen, type Place } from "./listen.ts";
import { type Route, Router } from "./router.ts";
import { Session } from "./session.ts";

/** Contents and address of a server. */
export interface Served {
  readonly routes: readonly Route[];
  readonly place: Place;
  /** @defaultValue a new one for each start */
  readonly token: string | undefined;
  /** Folder of the pages. @defaultValue that of the playground */
  readonly pages?: string | undefined;
  readonly isReadOnly: boolean;
  readonly onFault: (error: unknown) => void;
}

/** A server that listens. */
export interface OpenServer {
  /** Its address, without the token. */
  readonly origin: string;
  /** The address to open: the token stands behind `#`, which no request carries. */
  readonly url: string;
  readonly token: string;
  readonly port: number;
  /** Names the origins of pages that may call AG-UI. */
  allow(origins: readonly string[]): void;
  close(): Promise<void>;
}

/** Serves routes and pages behind the gate. */
export async function openServer({ routes, place, token, pages, isReadOnly, onFault }: Served): Promise<OpenServer> {
  let gate = gateOf(place.host, place.port);
  let session = new Session(place.port, token);
  const server = httpServer({
    gate: () => gate,
    session: () => session,
    router: new Router(routes),
    pages: path.resolve(pages ?? fileURLToPath(pageFolder)),
    isReadOnly,
    onFault,
  });
  const port = await listen(server, place);
  gate = gateOf(place.host, port);
  session = new Session(port, session.token);
  const isEverywhere = place.host === "0.0.0.0" || place.host === "::";
  const origin = `http://${isEverywhere ? "localhost" : bracketed(place.host)}:${port}`;
  return {
    origin,
    url: `${origin}/#token=${session.token}`,
    token: session.token,
    port,
    allow(origins) {
      gate = gateOf(place.host, port, origins);
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
