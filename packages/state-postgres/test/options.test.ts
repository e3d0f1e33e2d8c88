import { PostgresCheckpointStore, PostgresStateStore } from "@penguiflow/state-postgres";
import { expect, test } from "vitest";

const connection = "postgres://user@127.0.0.1/database";

test.for([
  [
    { connection, tenant: "ada" },
    TypeError,
    'Unknown option "tenant" of PostgresStateStore: expected one of "connection"',
  ],
  [{}, TypeError, 'Option "connection" must be a URL or an object: got undefined'],
  [
    { connection: "user:secret@host" },
    TypeError,
    'Option "connection" must be a URL like "postgres://user@host:5432/database"',
  ],
  [{ connection: { hots: "db" } }, TypeError, 'Unknown option "hots" of option "connection": expected one of "host"'],
  [{ connection, schema: "" }, TypeError, 'Option "schema" must be a name of 1 to 63 bytes: got ""'],
  [{ connection, schema: "ü".repeat(32) }, TypeError, 'Option "schema" must be a name of 1 to 63 bytes'],
  [{ connection, maxConnections: 0 }, RangeError, 'Option "maxConnections" must be a whole number of 1 or more: got 0'],
  [{ connection, patienceMs: "5s" }, TypeError, 'Option "patienceMs" must be a whole number of 1 or more: got "5s"'],
  [{ connection, maxAgeMs: 0 }, RangeError, 'Option "maxAgeMs" must be a number of 1 or more: got 0'],
  [{ connection, maxTraces: 1.5 }, RangeError, 'Option "maxTraces" must be a whole number of 1 or more: got 1.5'],
] as const)("%j is refused", async ([options, kind, message]) => {
  const opening = PostgresStateStore.open(options as never);
  await expect(opening).rejects.toThrow(kind);
  await expect(opening).rejects.toThrow(message);
});

test.for([
  [
    { connection, clock: {} },
    TypeError,
    'Unknown option "clock" of PostgresCheckpointStore: expected one of "connection", "schema"',
  ],
  [{}, TypeError, 'Option "connection" must be a URL or an object: got undefined'],
  [{ connection, patienceMs: 0 }, RangeError, 'Option "patienceMs" must be a whole number of 1 or more: got 0'],
] as const)("%j is refused by a checkpoint store", async ([options, kind, message]) => {
  const opening = PostgresCheckpointStore.open(options as never);
  await expect(opening).rejects.toThrow(kind);
  await expect(opening).rejects.toThrow(message);
});

test("what is wrong with a connection is told without its password", async () => {
  const opening = PostgresStateStore.open({ connection: "mysql://user:secret@host/database" });
  await expect(opening).rejects.toThrow(/^(?!.*secret).*$/);
});

test("a server that is not there is given up when the patience is over", async () => {
  const opening = PostgresStateStore.open({ connection: { host: "127.0.0.1", port: 1 }, patienceMs: 100 });
  await expect(opening).rejects.toThrow(
    'Cannot open schema "penguiflow": Cannot reach PostgreSQL within 100 ms: connect ECONNREFUSED 127.0.0.1:1',
  );
});
