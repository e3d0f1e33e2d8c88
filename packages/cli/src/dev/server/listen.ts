import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { CliError, Exit } from "../../exit.ts";

/** Number of ports that are tried after the usual one. */
const TRIES = 20;

/** A place to listen at. */
export interface Place {
  readonly host: string;
  readonly port: number;
  /** Whether the person has chosen the port, so that no other will do. */
  readonly isChosen: boolean;
}

/**
 * Listens at a port, or at the next free one, and returns it.
 *
 * @throws CliError `PORT_TAKEN`, `HOST_UNKNOWN`
 */
export async function listen(server: Server, { host, port, isChosen }: Place): Promise<number> {
  for (let tried = port; ; tried += 1) {
    const error = await failureOf(server, host, tried);
    if (error === undefined) return (server.address() as AddressInfo).port;
    if (error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND")
      throw new CliError({
        code: "HOST_UNKNOWN",
        exit: Exit.PORT_TAKEN,
        message: `Cannot listen on "${host}": it is no address of this machine`,
      });
    if (error.code === "EACCES" && isChosen)
      throw new CliError({ code: "PORT_FORBIDDEN", exit: Exit.PORT_TAKEN, message: `Port ${tried} needs more rights` });
    if (error.code !== "EADDRINUSE" && error.code !== "EACCES") throw error;
    if (isChosen || tried - port >= TRIES)
      throw new CliError({
        code: "PORT_TAKEN",
        exit: Exit.PORT_TAKEN,
        message: `Port ${tried} is taken by ${await ownerOf(host, tried)}`,
        hint: isChosen ? "leave --port out: the next free one is used" : "name a free one with --port",
      });
  }
}

async function failureOf(server: Server, host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  server.listen({ host, port, exclusive: true });
  try {
    await once(server, "listening");
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

/** Says who has a port: another `penguiflow dev` answers a request without a token in a way of its own. */
async function ownerOf(host: string, port: number): Promise<string> {
  try {
    const url = `http://${host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host}:${port}/api/project`;
    const response = await fetch(url, { signal: AbortSignal.timeout(500) });
    const body = (await response.json()) as { readonly error?: { readonly code?: unknown } };
    if (body.error?.code === "TOKEN_INVALID") return "another penguiflow dev";
  } catch {
    // it is something else
  }
  return "another program";
}
