import { type ApiDocument, follow, type Operation, type SecurityRequirement, type SecurityScheme } from "./document.ts";
import { encode } from "./serialise.ts";

/** Name and password of HTTP basic authentication. */
export interface BasicCredential {
  readonly username: string;
  readonly password: string;
}

/**
 * The value that the planner's `credentials` returns for this source: a key or token, a name with its password, or one
 * of these for each security scheme of the document.
 */
export type OpenApiCredential =
  | string
  | BasicCredential
  | { readonly schemes: Readonly<Record<string, string | BasicCredential>> };

/** Places in a call that carry its credentials, and their secrets, so that no text repeats them. */
export interface SignedIn {
  readonly headers: readonly (readonly [string, string])[];
  /** Encoded pairs. */
  readonly query: readonly string[];
  readonly cookies: readonly string[];
  readonly secrets: readonly string[];
}

/** Lists the alternatives of an operation, each with its schemes by name. None: no signing in. */
export function schemesOf(
  document: ApiDocument,
  operation: Operation,
): readonly (readonly (readonly [name: string, scheme: SecurityScheme])[])[] {
  const known = document.components?.securitySchemes ?? {};
  const alternatives: readonly SecurityRequirement[] = operation.security ?? document.security ?? [];
  return alternatives.map((alternative) =>
    Object.keys(alternative).map((name) => {
      const scheme = known[name];
      if (scheme === undefined) throw new TypeError(`Cannot sign in with "${name}": the document does not describe it`);
      return [name, follow(document, scheme)] as const;
    }),
  );
}

const NOTHING: SignedIn = { headers: [], query: [], cookies: [], secrets: [] };

/**
 * Signs a call in, by the first alternative for which there are credentials.
 *
 * @throws TypeError when there is none; it names the schemes and no credential
 */
export function signIn(
  place: string,
  alternatives: ReturnType<typeof schemesOf>,
  credential: OpenApiCredential | undefined,
): SignedIn {
  if (alternatives.length === 0) return NOTHING;
  for (const alternative of alternatives) {
    if (alternative.length === 0) continue;
    const parts = alternative.map(([name, scheme]) => apply(scheme, valueFor(name, alternative.length, credential)));
    if (parts.every((part) => part !== undefined)) return merged(parts);
  }
  if (alternatives.some((alternative) => alternative.length === 0)) return NOTHING;
  const wanted = alternatives.map((schemes) => schemes.map(([name]) => `"${name}"`).join(" with ")).join(" or ");
  throw new TypeError(`Cannot call ${place}: expected a credential for ${wanted}; return it from "credentials"`);
}

function valueFor(
  name: string,
  needed: number,
  credential: OpenApiCredential | undefined,
): string | BasicCredential | undefined {
  if (typeof credential !== "object" || credential === null) return needed === 1 ? credential : undefined;
  if (!("schemes" in credential)) return needed === 1 ? credential : undefined;
  return Object.hasOwn(credential.schemes, name) ? credential.schemes[name] : undefined;
}

function apply(scheme: SecurityScheme, value: string | BasicCredential | null | undefined): SignedIn | undefined {
  // the connection itself signs in
  if (scheme.type === "mutualTLS") return NOTHING;
  // programs return null, too, for a caller that has none
  if (value === undefined || value === null) return undefined;
  if (scheme.type === "http" && scheme.scheme?.toLowerCase() === "basic") {
    if (typeof value === "string") return undefined;
    const { username, password } = value;
    const pair = Buffer.from(`${username}:${password}`).toString("base64");
    return { ...NOTHING, headers: [["authorization", `Basic ${pair}`]], secrets: [password, pair] };
  }
  if (typeof value !== "string") return undefined;
  const secrets = [value, encode(value)];
  if (scheme.type !== "apiKey") {
    const kind = scheme.type === "http" && scheme.scheme?.toLowerCase() !== "bearer" ? scheme.scheme : "Bearer";
    return { ...NOTHING, headers: [["authorization", `${kind} ${value}`]], secrets };
  }
  const name = scheme.name ?? "";
  if (scheme.in === "header") return { ...NOTHING, headers: [[name, value]], secrets };
  const pair = `${encode(name)}=${encode(value)}`;
  return scheme.in === "cookie" ? { ...NOTHING, cookies: [pair], secrets } : { ...NOTHING, query: [pair], secrets };
}

function merged(parts: readonly SignedIn[]): SignedIn {
  return {
    headers: parts.flatMap(({ headers }) => headers),
    query: parts.flatMap(({ query }) => query),
    cookies: parts.flatMap(({ cookies }) => cookies),
    secrets: parts.flatMap(({ secrets }) => secrets),
  };
}

/** Secrets shorter than this occur in ordinary text. */
const SHORTEST_SECRET = 4;

/** Removes secrets from a text. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) if (secret.length >= SHORTEST_SECRET) clean = clean.replaceAll(secret, "[credential]");
  return clean;
}
