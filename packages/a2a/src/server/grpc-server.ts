import type { EventEmitter } from "node:events";
import { A2AError } from "@a2a-js/sdk/errors";
import type { A2ARequestHandler, ServerCallContextBuilder } from "@a2a-js/sdk/server";
import type { Server, ServerCredentials, ServerUnaryCall, ServerWritableStream } from "@grpc/grpc-js";
import { defaultLogger } from "penguiflow";
import { grpcPackages } from "../grpc-packages.ts";
import { warn } from "./background.ts";
import { type Caller, type CallRequest, Connection } from "./connection.ts";

/** Options of gRPC. */
export interface GrpcOptions {
  /** Port to listen on. @defaultValue a free one */
  readonly port?: number;
  /** Address in the card: `host:port`. @defaultValue the host of the agent's URL, and the port */
  readonly address?: string;
  /** Certificates, as PEM. @defaultValue calls are not encrypted */
  readonly tls?: {
    readonly key: string | Buffer;
    readonly cert: string | Buffer;
    /** Authority that client certificates must be issued by. @defaultValue clients need no certificate */
    readonly clientCa?: string | Buffer;
  };
}

/** Server of an agent over gRPC. */
export interface GrpcServer {
  readonly port: number;
  /** Refuses further calls; resolves when the open ones are answered. */
  close(): Promise<void>;
  /** Ends the open calls. */
  closeAllConnections(): void;
}

/** Parts of the adapter that the server depends on. */
export interface GrpcServerParts {
  readonly requestHandler: A2ARequestHandler;
  readonly contextBuilder: ServerCallContextBuilder;
  /** Authenticates a caller; `undefined` refuses it. */
  readonly admit: (request: CallRequest, connection: Connection) => Promise<Caller | undefined>;
  /** Maximum size of a request in bytes. */
  readonly largestRequest: number;
  readonly isLegacyServed: boolean;
  /** Interval of pings in milliseconds; 0 for none. */
  readonly keepAliveMs: number;
}

type Call = ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>;

const UNAUTHENTICATED = 16;
const INTERNAL = 13;

/** Error that the SDK answers with this status. */
class Refusal extends A2AError {
  readonly transport = "grpc";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Serves an agent by the SDK's gRPC services, of version 1.0 and optionally 0.3.
 *
 * @throws TypeError when a package is missing
 */
export async function listenGrpc(
  parts: GrpcServerParts,
  host: string,
  { port = 0, tls }: GrpcOptions,
): Promise<GrpcServer> {
  const { grpc, sdk, legacy } = await grpcPackages();
  const { requestHandler, contextBuilder } = parts;
  const service = { requestHandler, contextBuilder, userBuilder: (call: Call) => callerOf(call, parts) };
  const server = new grpc.Server({
    "grpc.max_receive_message_length": parts.largestRequest,
    "grpc.keepalive_time_ms": parts.keepAliveMs,
  });
  server.addService(sdk.A2AService, sdk.grpcService(service));
  if (parts.isLegacyServed) server.addService(legacy.LegacyA2AService, legacy.legacyGrpcService(service));
  const { ServerCredentials } = grpc;
  const credentials = tls === undefined ? ServerCredentials.createInsecure() : secured(ServerCredentials, tls);
  const place = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(place, credentials, (error, own) => (error === null ? resolve(own) : reject(error)));
  });
  keepListening(server);
  const closed = Promise.withResolvers<void>();
  return {
    port: bound,
    close: () => {
      server.tryShutdown(() => closed.resolve());
      return closed.promise;
    },
    closeAllConnections: () => {
      server.forceShutdown();
      // the graceful shutdown never ends while a connection without a valid frame is open
      closed.resolve();
    },
  };
}

/**
 * Reports connections that cannot be accepted. The package removes its own error listener as soon as the server
 * listens, and exposes its sockets in no other way.
 */
function keepListening(server: Server): void {
  const { http2Servers = [] } = server as unknown as { readonly http2Servers?: Iterable<[EventEmitter, unknown]> };
  for (const [listening] of http2Servers)
    listening.on("error", ({ message }: Error) => warn(defaultLogger, "a2a_grpc_server_failed", { error: message }));
}

function secured(
  credentials: typeof ServerCredentials,
  { key, cert, clientCa }: NonNullable<GrpcOptions["tls"]>,
): ServerCredentials {
  const own = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) };
  const isForAll = clientCa === undefined;
  return credentials.createSsl(isForAll ? null : Buffer.from(clientCa), [own], !isForAll);
}

async function callerOf(call: Call, { admit }: GrpcServerParts): Promise<Caller> {
  // created before the first await, because the call may be cancelled meanwhile
  const connection = new Connection(call);
  const entries = Object.entries(call.metadata.getMap()).map(([key, value]) => [key, value.toString()] as const);
  let caller: Caller | undefined;
  try {
    caller = await admit({ headers: Object.fromEntries(entries) }, connection);
  } catch {
    // reveals no internals
    throw new Refusal(INTERNAL, "Internal error");
  }
  if (caller === undefined) throw new Refusal(UNAUTHENTICATED, "Not authenticated");
  return caller;
}
