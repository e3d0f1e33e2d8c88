import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { NodeListener } from "../src/server/index.ts";

/** A server on this machine. */
export interface Loopback {
  readonly url: string;
  readonly server: Server;
  close(): Promise<void>;
}

/** Listens on a free port. */
export async function loopback(listener: NodeListener): Promise<Loopback> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    server,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
