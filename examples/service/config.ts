// Configuration from the environment, validated once, before anything starts.
import { z } from "zod";

const Tenant = z.strictObject({
  name: z.string().regex(/^[a-z\d-]{1,64}$/, "must be 1 to 64 of a-z, 0-9 and -"),
  token: z.string().min(16, "must have at least 16 characters"),
  documents: z.string().min(1, "must name a folder"),
});

/** A tenant of the service: its token, and the folder of its documents. */
export type Tenant = z.infer<typeof Tenant>;

const Environment = z.object({
  HOST: z.string().default("127.0.0.1"),
  PORT: whole(0, 65_535, 8080),
  /** For probes and Prometheus; must not be reachable from outside. */
  ADMIN_PORT: whole(0, 65_535, 9464),
  TENANTS: z
    .string(`must be JSON such as [{"name":"acme","token":"at least 16 characters","documents":"docs"}]`)
    .transform(fromJson)
    .pipe(z.array(Tenant).min(1, "must name at least one tenant"))
    .refine(areUnlike, "must have neither a name nor a token twice"),
  /** Maximum time for the work on a request, and for reading its answer. Callers may ask for less. */
  REQUEST_TIMEOUT_MS: whole(1, 3_600_000, 30_000),
  /** Silence after which an event stream gets a comment, so that no proxy takes it for dead. */
  KEEP_ALIVE_MS: whole(1, 3_600_000, 15_000),
  /** Time that the balancer may take to notice that this process is no longer ready. */
  DRAIN_DELAY_MS: whole(0, 60_000, 3_000),
  /** Time that accepted work has to finish. */
  DRAIN_MS: whole(0, 3_600_000, 20_000),
  MAX_BODY_BYTES: whole(1, 100_000_000, 16_384),
  MAX_CONNECTIONS: whole(1, 1_000_000, 10_000),
  /** Requests in flight: beyond these limits the answer is 503, or 429 when the tenant's own limit is reached. */
  MAX_REQUESTS: whole(1, 1_000_000, 1_000),
  MAX_REQUESTS_PER_TENANT: whole(1, 1_000_000, 200),
  LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
});

/** The validated environment. */
export type Config = z.infer<typeof Environment>;

/** Invalid environment. The message lists every invalid variable and contains no secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** @throws ConfigError */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const { data, error } = Environment.safeParse(environment);
  if (error === undefined) return data;
  const lines = error.issues.map(({ path, message }) => `  ${path.join(".")}: ${message}`);
  throw new ConfigError(`Cannot start: the environment is invalid\n${lines.join("\n")}`);
}

function whole(least: number, most: number, standard: number) {
  return z
    .string()
    .default(String(standard))
    .transform((text, context) => {
      const value = text.trim() === "" ? Number.NaN : Number(text);
      if (Number.isInteger(value) && value >= least && value <= most) return value;
      context.addIssue(`must be a whole number from ${least} to ${most}: got ${JSON.stringify(text)}`);
      return z.NEVER;
    });
}

function fromJson(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // the message of JSON.parse quotes the text, which contains tokens
    context.addIssue("must be JSON");
    return z.NEVER;
  }
}

function areUnlike(tenants: readonly Tenant[]): boolean {
  const unlike = (key: "name" | "token") => new Set(tenants.map((tenant) => tenant[key])).size === tenants.length;
  return unlike("name") && unlike("token");
}
