export type { A2AClientOptions } from "./a2a-client-transport.ts";
export { A2AClientTransport } from "./a2a-client-transport.ts";
export type { Binding } from "./agents.ts";
export type { GrpcTls } from "./grpc-client.ts";
