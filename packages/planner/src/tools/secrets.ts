/** Shortest text that is taken for a secret: shorter ones occur by chance. */
const MIN_LENGTH = 6;

/** Returns the texts of a credential that must not leave the call it was fetched for. */
export function secretsOf(credential: unknown): string[] {
  if (typeof credential === "string") return credential.length >= MIN_LENGTH ? [credential] : [];
  if (typeof credential !== "object" || credential === null) return [];
  return Object.values(credential).flatMap(secretsOf);
}

/** Replaces secrets in every text of a value. */
export function withoutSecrets<Value>(value: Value, secrets: readonly string[]): Value {
  if (secrets.length === 0) return value;
  const clean = (each: unknown): unknown => {
    if (typeof each === "string") return secrets.reduce((text, secret) => text.replaceAll(secret, "[secret]"), each);
    if (Array.isArray(each)) return each.map(clean);
    if (typeof each !== "object" || each === null) return each;
    return Object.fromEntries(Object.entries(each).map(([key, inner]) => [key, clean(inner)]));
  };
  return clean(value) as Value;
}
