import { type ConnectionOptions, credsAuthenticator } from "@nats-io/transport-node";
import { defaultLogger, type Logger } from "penguiflow";
import { requireInteger, requireKnownKeys, shown } from "penguiflow/adapter";

/** Encryption of a connection. */
export interface NatsTls {
  /** File of the authorities that are trusted. */
  readonly caFile?: string | undefined;
  /** File of this client's certificate. */
  readonly certFile?: string | undefined;
  /** File of this client's key. */
  readonly keyFile?: string | undefined;
}

/** Options of {@link natsBackend}. */
export interface NatsBackendOptions {
  /** Addresses of servers, such as `127.0.0.1:4222`. One that is reached tells the others of its cluster. */
  readonly servers: string | readonly string[];
  /** Prefix of the streams and subjects: letters, digits, `-` and `_`. @defaultValue "penguiflow" */
  readonly name?: string | undefined;
  /** Servers that store each message: 1, 3 or 5. Read when the streams are created. @defaultValue 1 */
  readonly replicas?: number | undefined;
  /** Items of all partitions that wait; more are refused. Read when the streams are created. @defaultValue 1000000 */
  readonly maxItems?: number | undefined;
  /** Milliseconds for which a call retries while no server answers. @defaultValue 30000 */
  readonly patienceMs?: number | undefined;
  /** Name of the user. @defaultValue none */
  readonly user?: string | undefined;
  /** Password of the user. @defaultValue none */
  readonly password?: string | undefined;
  /** Token, instead of a user. @defaultValue none */
  readonly token?: string | undefined;
  /** Text of a credentials file, with a JWT and its seed, instead of a user. @defaultValue none */
  readonly credentials?: string | undefined;
  /** Encryption, with files in the PEM format. @defaultValue as the server demands, with the authorities of the system */
  readonly tls?: NatsTls | undefined;
  /** Receives warnings. @defaultValue the default logger */
  readonly logger?: Logger | undefined;
}

/** Resolved {@link NatsBackendOptions}. */
export interface ResolvedOptions {
  readonly servers: string[];
  readonly name: string;
  readonly replicas: number;
  readonly maxItems: number;
  readonly patienceMs: number;
  readonly authentication: ConnectionOptions;
  readonly logger: Logger;
}

const OF_CLIENT = ["user", "password", "token", "credentials", "tls"];
const KNOWN = ["servers", "name", "replicas", "maxItems", "patienceMs", "logger", ...OF_CLIENT];

/**
 * Applies the defaults.
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 */
export function resolveOptions(options: NatsBackendOptions): ResolvedOptions {
  requireKnownKeys("natsBackend", options, KNOWN);
  const { name = "penguiflow", replicas = 1, maxItems = 1_000_000, patienceMs = 30_000 } = options;
  const servers = typeof options.servers === "string" ? [options.servers] : options.servers;
  if (!Array.isArray(servers) || servers.length === 0 || !servers.every((each) => typeof each === "string"))
    throw new TypeError(`Option "servers" must be an address or a list of them: got ${shown(options.servers)}`);
  if (typeof name !== "string" || !/^[\w-]{1,64}$/.test(name))
    throw new TypeError(`Option "name" must be 1 to 64 letters, digits, "-" and "_": got ${shown(name)}`);
  requireInteger("replicas", replicas, 1);
  requireInteger("maxItems", maxItems, 1);
  requireInteger("patienceMs", patienceMs, 1);
  const { logger = defaultLogger } = options;
  const authentication = authenticationOf(options);
  return { servers: [...servers], name, replicas, maxItems, patienceMs, authentication, logger };
}

function authenticationOf({ user, password, token, credentials, tls }: NatsBackendOptions): ConnectionOptions {
  if (tls !== undefined) requireKnownKeys('option "tls"', tls, ["caFile", "certFile", "keyFile"]);
  return {
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(token === undefined ? {} : { token }),
    ...(credentials === undefined ? {} : { authenticator: credsAuthenticator(new TextEncoder().encode(credentials)) }),
    ...(tls === undefined ? {} : { tls: Object.fromEntries(Object.entries(tls).filter(([, file]) => file)) }),
  };
}
