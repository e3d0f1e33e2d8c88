import type { Secret } from "./messages.ts";

/** Names of variables whose values are secrets. */
const SECRET_NAME =
  /KEY|TOKEN|SECRET|PASS(?:WORD|WD|PHRASE)?$|PASSWORD|CREDENTIAL|PRIVATE|AUTH|DSN|COOKIE|_URL$|_URI$/i;
/** Values that are shorter stand for too much else. */
const LEAST = 6;

/** Returns the values of `.env` that look secret, as they are in the environment and in the file. */
export function secretsOf(file: Readonly<Record<string, string | undefined>>, env: NodeJS.ProcessEnv): Secret[] {
  const found = Object.entries(file).flatMap(([name, value = ""]) =>
    SECRET_NAME.test(name) ? [...new Set([value, env[name] ?? ""])].flatMap((each) => secretPart(name, each)) : [],
  );
  // the longest first: one may be part of another
  return found.sort((one, other) => other.value.length - one.value.length);
}

/** A URL is no secret, but its password is. */
function secretPart(name: string, value: string): Secret[] {
  const isUrl = /^[a-z][a-z+.-]*:\/\//i.test(value);
  const [, password] = isUrl ? (/:\/\/[^/@:]*:([^/@]+)@/.exec(value) ?? []) : ["", value];
  return password === undefined || password.length < LEAST ? [] : [{ name, value: password }];
}

/** Masks secrets in texts, also within JSON. */
export class Mask {
  readonly #secrets: readonly (readonly [string, string])[];

  constructor(secrets: readonly Secret[]) {
    this.#secrets = secrets.flatMap(({ name, value }) => {
      const escaped = JSON.stringify(value).slice(1, -1);
      const mask = `••••(${name})`;
      return escaped === value ? [[value, mask] as const] : [[escaped, mask] as const, [value, mask] as const];
    });
  }

  text(text: string): string {
    return this.#secrets.reduce((masked, [value, mask]) => masked.replaceAll(value, mask), text);
  }
}
