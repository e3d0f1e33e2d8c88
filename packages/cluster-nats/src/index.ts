export { natsBackend } from "./nats-backend.ts";
export type { NatsBackendOptions, NatsTls } from "./options.ts";
