export type { A2AClientOptions, Binding } from "./a2a-client-transport.ts";
export { A2AClientTransport } from "./a2a-client-transport.ts";
export type { GrpcTls } from "./grpc-client.ts";
