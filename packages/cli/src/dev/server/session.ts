import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Fewest characters of a token that a person chooses. */
export const LEAST_TOKEN = 16;

/** The secrets of one start of the server: the token of the printed URL, and the cookie it is traded for. */
export class Session {
  readonly token: string;
  readonly #cookie = randomBytes(16).toString("base64url");
  readonly #name: string;

  constructor(port: number, token = randomBytes(16).toString("base64url")) {
    this.token = token;
    // cookies are shared by all ports of a host
    this.#name = `penguiflow_${port}`;
  }

  isToken(given: unknown): boolean {
    return typeof given === "string" && isEqual(given, this.token);
  }

  /** Whether a request may use the API: by its cookie, or by the token as a bearer. */
  admits({ cookie = "", authorization = "" }: IncomingHttpHeaders): boolean {
    const [, bearer] = /^Bearer (.+)$/i.exec(authorization) ?? [];
    if (bearer !== undefined) return this.isToken(bearer.trim());
    const cookies = cookie.split(";").map((pair) => pair.trim().split("="));
    const value = cookies.find(([name]) => name === this.#name)?.[1];
    return value !== undefined && isEqual(value, this.#cookie);
  }

  /** Returns the header that gives a browser the cookie. */
  get setCookie(): string {
    return `${this.#name}=${this.#cookie}; Path=/; HttpOnly; SameSite=Strict`;
  }
}

/** Whether two secrets are equal, in a time that tells nothing of them: their digests are compared, which are as long. */
function isEqual(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
