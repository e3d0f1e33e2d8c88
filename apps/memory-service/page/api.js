// Every request of the page: to the server it came from, in the words of its OpenAPI document.
/** @import { DrawnFlow, ErasurePreview, Fragment, FragmentDetail, IngestResponse, Level, Page, Queue, Recall, RecallItem } from "../src/index.ts" */
/** @import { CheckedPrincipal, MemoryEvent } from "../src/index.ts" */
/** @import { Session } from "./session.js" */
import { session } from "./session.js";

/** A refusal of the API, in its own words. */
export class ApiError extends Error {
  /**
   * @param {number} status - 0 when there was no answer
   * @param {string} code
   * @param {string} title
   */
  constructor(status, code, title) {
    super(title);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

/** Dispatches `refused` when the server does not know the session any more. */
export const doors = new EventTarget();

/**
 * @typedef {object} AskOptions
 * @property {unknown} [body]
 * @property {AbortSignal} [signal]
 * @property {Session} [as] - another session than that of the tab
 */

/**
 * Sends a request and returns the answer.
 *
 * @param {string} method
 * @param {string} path
 * @param {AskOptions} [options]
 * @returns {Promise<unknown>}
 * @throws {ApiError}
 */
async function ask(method, path, { body, signal, as: other } = {}) {
  const as = other ?? session();
  const headers = new Headers({ authorization: `Bearer ${as?.key ?? ""}` });
  if (as?.user !== undefined) headers.set("memory-user", as.user);
  if (body !== undefined) headers.set("content-type", "application/json");
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: signal ?? null,
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw new ApiError(0, "NO_ANSWER", `The server does not answer: ${error instanceof Error ? error.message : ""}`);
  }
  const text = await response.text();
  /** @type {unknown} */
  const answer = text === "" ? undefined : JSON.parse(text);
  if (response.ok) return answer;
  const { title = response.statusText, code = "UNKNOWN" } = /** @type {{ title?: string, code?: string }} */ (
    answer ?? {}
  );
  if (response.status === 401 && other === undefined) doors.dispatchEvent(new Event("refused"));
  throw new ApiError(response.status, code, title);
}

/** @param {string} id */
const of = (id) => `/v1/fragments/${encodeURIComponent(id)}`;

/**
 * @param {string} id
 * @param {{ tenant: string, user: string }} grantee
 */
const grantOf = (id, { tenant, user }) => `${of(id)}/grants/${encodeURIComponent(tenant)}/${encodeURIComponent(user)}`;

/**
 * Returns for whom the requests of a session are answered.
 *
 * @param {Session} [as]
 */
export const me = async (as) =>
  /** @type {CheckedPrincipal} */ (await ask("GET", "/v1/users/me", as === undefined ? {} : { as }));

/**
 * Returns a page of fragments, newest first; with `q` those that answer it, best first.
 *
 * @param {URLSearchParams} filter
 * @param {AbortSignal} signal
 */
export const list = async (filter, signal) =>
  /** @type {Page<Fragment & Partial<RecallItem>>} */ (await ask("GET", `/v1/fragments?${filter}`, { signal }));

/**
 * Keeps a text.
 *
 * @param {{ text: string, level: Level, conversation?: string, source?: string }} body
 */
export const keep = async (body) => /** @type {IngestResponse} */ (await ask("POST", "/v1/fragments", { body }));

/**
 * @param {string} id
 * @param {AbortSignal} [signal]
 */
export const fragment = async (id, signal) =>
  /** @type {FragmentDetail} */ (await ask("GET", of(id), signal === undefined ? {} : { signal }));

/**
 * Returns facts about a fragment, newest first.
 *
 * @param {string} id
 * @param {string | undefined} cursor
 */
export const events = async (id, cursor) => {
  const query = new URLSearchParams({ fragment: id, limit: "50", ...(cursor !== undefined && { cursor }) });
  return /** @type {Page<MemoryEvent>} */ (await ask("GET", `/v1/events?${query}`));
};

/** @param {string} id */
export const erasure = async (id) => /** @type {ErasurePreview} */ (await ask("GET", `${of(id)}/erasure`));

/** @param {string} id */
export const erase = async (id) => await ask("DELETE", of(id));

/**
 * @param {string} id
 * @param {Level} level
 */
export const setLevel = async (id, level) => await ask("PUT", `${of(id)}/level`, { body: { level } });

/**
 * @param {string} id
 * @param {{ tenant: string, user: string }} grantee
 * @param {number | undefined} expiresAt
 */
export const share = async (id, grantee, expiresAt) =>
  await ask("PUT", grantOf(id, grantee), { body: expiresAt === undefined ? {} : { expiresAt } });

/**
 * @param {string} id
 * @param {{ tenant: string, user: string }} grantee
 */
export const unshare = async (id, grantee) => await ask("DELETE", grantOf(id, grantee));

/**
 * @param {string} id
 * @param {number} value
 */
export const reinforce = async (id, value) => await ask("POST", `${of(id)}/reinforce`, { body: { value } });

/**
 * Asks, and gets the way of each candidate.
 *
 * @param {{ query: string, limit: number, maxTokens: number }} query
 * @param {AbortSignal} signal
 */
export const retrieve = async (query, signal) =>
  /** @type {Recall} */ (await ask("POST", "/v1/retrieve", { body: { ...query, explain: true }, signal }));

/**
 * @param {string} state - empty for all
 * @param {AbortSignal} signal
 */
export const jobs = async (state, signal) =>
  /** @type {Queue} */ (await ask("GET", `/v1/jobs${state === "" ? "" : `?state=${state}`}`, { signal }));

/** Lets dead jobs wait again. */
export const retryJobs = async () => /** @type {{ retried: number }} */ (await ask("POST", "/v1/jobs/retry"));

/** @param {AbortSignal} signal */
export const flows = async (signal) =>
  /** @type {{ flows: readonly DrawnFlow[] }} */ (await ask("GET", "/v1/flows", { signal }));
