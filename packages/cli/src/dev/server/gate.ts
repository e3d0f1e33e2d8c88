import type { IncomingHttpHeaders } from "node:http";
import { hostname, networkInterfaces } from "node:os";
import { ApiError } from "./api-error.ts";

const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];
const EVERY_ADDRESS = new Set(["0.0.0.0", "::", "[::]"]);

/** The names under which a server may be asked for. */
export interface Gate {
  /** `host:port`, in lower case. */
  readonly hosts: ReadonlySet<string>;
  /** Origins of other pages that may call the AG-UI route. */
  readonly origins: ReadonlySet<string>;
}

/** Returns the gate of a server that listens on a host: its own names, and nothing that DNS may point at it. */
export function gateOf(host: string, port: number, origins: readonly string[] = []): Gate {
  const names = [...LOOPBACK, ...namesOf(host)];
  return { hosts: new Set(names.map((name) => `${name.toLowerCase()}:${port}`)), origins: new Set(origins) };
}

function namesOf(host: string): string[] {
  if (!EVERY_ADDRESS.has(host)) return [bracketed(host)];
  const addresses = Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address));
  return [hostname(), ...addresses.map(bracketed)];
}

/** Returns an address as it stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

/**
 * Refuses requests that another site sends by way of the person's browser: those for a name that is not ours, as after
 * DNS rebinding, and those of a foreign page.
 *
 * @throws ApiError `HOST_FOREIGN`, `ORIGIN_FOREIGN`
 */
export function requireOwn(gate: Gate, headers: IncomingHttpHeaders, path: string): void {
  const { host = "", origin } = headers;
  if (!gate.hosts.has(host.toLowerCase()))
    throw new ApiError("HOST_FOREIGN", "The host of the request is not one of this server");
  if (origin === undefined || isOwnOrigin(gate, origin)) return;
  if (gate.origins.has(origin) && path.startsWith("/api/agui/")) return;
  throw new ApiError("ORIGIN_FOREIGN", "The request comes from a page of another origin");
}

function isOwnOrigin(gate: Gate, origin: string): boolean {
  return origin.startsWith("http://") && gate.hosts.has(origin.slice("http://".length).toLowerCase());
}
