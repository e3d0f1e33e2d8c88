/** Text in the place of a secret. */
export const SECRET = "[secret]";

/** Shortest text that is taken for a secret: shorter ones occur by chance. */
const MIN_LENGTH = 6;

const NO_SECRETS: readonly string[] = Object.freeze([]);

/** Returns the texts of a credential, or of arguments, that must not leave their call. */
export function secretsOf(credential: unknown): readonly string[] {
  if (credential === undefined) return NO_SECRETS;
  const found: string[] = [];
  // a client of an SDK may refer to itself
  const seen = new Set<unknown>();
  const look = (each: unknown): void => {
    if (typeof each === "string" && each.length >= MIN_LENGTH) found.push(each);
    if (typeof each !== "object" || each === null || seen.has(each)) return;
    seen.add(each);
    for (const inner of Object.values(each)) look(inner);
  };
  look(credential);
  // one that contains another is replaced whole
  return found.sort((one, other) => other.length - one.length);
}

/** Replaces secrets in every text and key of a value. */
export function withoutSecrets<Value>(value: Value, secrets: readonly string[]): Value {
  if (secrets.length === 0) return value;
  const cleanText = (text: string): string => secrets.reduce((rest, secret) => rest.replaceAll(secret, SECRET), text);
  const clean = (each: unknown): unknown => {
    if (typeof each === "string") return cleanText(each);
    if (Array.isArray(each)) return each.map(clean);
    if (typeof each !== "object" || each === null) return each;
    return Object.fromEntries(Object.entries(each).map(([key, inner]) => [cleanText(key), clean(inner)]));
  };
  return clean(value) as Value;
}
