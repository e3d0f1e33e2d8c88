// The SDK's task store on PostgreSQL needs the same server as our own stores.
export { server } from "../../state-postgres/test-integration/server.ts";
