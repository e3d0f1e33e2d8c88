// The SDK's task store on PostgreSQL needs the server that our own stores there need.
export { server } from "../../state-postgres/test-integration/server.ts";
