import { type ClusterBackend, requireInteger, requireKnownKeys } from "penguiflow/adapter";
import { openSchema, quoted } from "../migrations.ts";
import { type PostgresOptions, resolveOptions } from "../options.ts";
import { checkpointsOn } from "../postgres-checkpoint-store.ts";
import { Listener } from "./listener.ts";
import { readFigures } from "./postgres-figures.ts";
import { PostgresIntake } from "./postgres-intake.ts";
import { PostgresRegistry } from "./postgres-registry.ts";
import { PostgresResultStore } from "./postgres-result-store.ts";
import { PostgresWire } from "./postgres-wire.ts";

/** Options of {@link postgresBackend}. */
export interface PostgresBackendOptions extends PostgresOptions {
  /** Items of a partition that wait; more are refused. @defaultValue 100000 */
  readonly maxItems?: number | undefined;
}

/** Bytes of a value of the database, which has a limit of a gigabyte, that a process can hold many of. */
const MOST_BYTES = 16_777_216;

/**
 * Connects a cluster to PostgreSQL, and creates or migrates the schema. Notifications need a connection of their own: a
 * transaction pooler would drop them.
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 * @throws Error when the server cannot be reached or refuses, or when the schema is of a newer version
 */
export async function postgresBackend(given: PostgresBackendOptions): Promise<ClusterBackend> {
  requireKnownKeys("postgresBackend", given, ["connection", "schema", "maxConnections", "patienceMs", "maxItems"]);
  const { maxItems = 100_000, ...options } = given;
  requireInteger("maxItems", maxItems, 1);
  const resolved = resolveOptions("postgresBackend", options);
  // notifications need connections of a session anyhow
  const database = await openSchema(resolved, undefined, true);
  // connections of its own: reads must not hold up batches
  const ofCheckpoints = await openSchema(resolved, undefined, true).catch(async (error: unknown) => {
    await database.close();
    throw error;
  });
  const checkpoints = checkpointsOn(ofCheckpoints, resolved.schema);
  const tables = quoted(resolved.schema);
  const listener = new Listener(resolved);
  const wire = new PostgresWire(database, tables, resolved.schema, listener);
  const intake = new PostgresIntake(database, tables, wire, maxItems);
  return {
    checkpoints,
    intake,
    results: new PostgresResultStore(database, tables),
    registry: new PostgresRegistry(database, tables, wire),
    wire,
    limits: { offerBytes: MOST_BYTES },
    figures: () => readFigures(database, tables, resolved.schema, maxItems),
    async [Symbol.asyncDispose]() {
      intake[Symbol.dispose]();
      await wire.flush();
      await listener[Symbol.asyncDispose]();
      await checkpoints.close();
      await database.close();
    },
  };
}
