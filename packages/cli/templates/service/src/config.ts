import { createHash } from "node:crypto";

/** The settings of the service, read once. */
export interface Config {
  readonly port: number;
  /** Address that clients know it by; empty: its own. */
  readonly publicUrl: string;
  /** SQLite file of what it has accepted. */
  readonly file: string;
  /** Time that accepted work has to end after SIGTERM, in milliseconds. */
  readonly drainMs: number;
  /** Address of an OpenTelemetry collector; empty: none. */
  readonly collector: string;
  /** Tenants by the hash of their token; empty: all callers are one tenant, and only this machine is served. */
  readonly tenants: ReadonlyMap<string, string>;
}

/** Reads the settings from the environment. Throws an error that names the variable which is wrong. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  return {
    port: whole(env, "PORT", 8080),
    publicUrl: env["PUBLIC_URL"] ?? "",
    file: env["CHECKPOINTS"] ?? ".penguiflow/service.db",
    drainMs: whole(env, "DRAIN_MS", 10_000),
    collector: env["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? "",
    tenants: new Map((env["TOKENS"] ?? "").split(",").filter(Boolean).map(tenantOf)),
  };
}

/** Hashes a token, so that a look-up tells nothing by its time. */
export function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

function tenantOf(entry: string): [string, string] {
  const [tenant = "", token = ""] = entry.split(":");
  if (tenant === "" || token.length < 16) throw new Error("TOKENS must be tenant:token,… with tokens of 16 or more");
  return [hashOf(token), tenant];
}

function whole(env: NodeJS.ProcessEnv, name: string, standard: number): number {
  const number = Number(env[name] ?? standard);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`${name} must be a whole number: got ${env[name]}`);
  return number;
}
