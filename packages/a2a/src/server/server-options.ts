import { constants } from "node:buffer";
import type { Message } from "@a2a-js/sdk";
import type { TaskStore } from "@a2a-js/sdk/server";
import type { PauseTicket } from "penguiflow";
import type { Card } from "./agent-card.ts";
import type { CallRequest } from "./connection.ts";
import type { PushOptions } from "./push-sender.ts";

/** What `A2AServerAdapter` can be told. */
export interface A2AServerOptions {
  /** What the agent says about itself. Messages with parts of other media types than its own are refused. */
  readonly card: Card;
  /** Where callers reach the agent, without a path. @defaultValue where `createA2AApp` listens */
  readonly url?: string;
  /** @defaultValue a `MemoryTaskStore` */
  readonly taskStore?: TaskStore;
  /**
   * Who is calling: the name of the user, or `undefined` for somebody who may not, who is answered 401, over gRPC
   * UNAUTHENTICATED. What users see is their own. @defaultValue everybody is nobody in particular
   */
  readonly authenticate?: (request: CallRequest) => string | undefined | Promise<string | undefined>;
  /** The tenant of callers who name none and are nobody in particular. @defaultValue `"default"` */
  readonly defaultTenant?: string;
  /**
   * Whether a user may call for a tenant that the call names; a call that names none is for its user. Say no where a
   * flow acts for its tenant. @defaultValue all may, and see their own tasks alone
   */
  readonly mayUseTenant?: (user: string | undefined, tenant: string) => boolean;
  /** What a message means to the flows. @defaultValue the first data in it, else its text, else its files */
  readonly payloadOf?: (message: Message) => unknown;
  /**
   * Which messages are answered with a message, without a task: nobody can read, list or cancel the work on them.
   * @defaultValue none
   */
  readonly answersWithMessage?: (message: Message) => boolean;
  /**
   * Which pauses wait for an authorization that comes another way: their task is AUTH_REQUIRED. Its next message lets the
   * handler look again. @defaultValue none
   */
  readonly waitsForAuthorization?: (pause: PauseTicket) => boolean;
  /**
   * A message that comes again, the same in all it says: it joins the task it has begun, unless that came to nothing, or
   * begins another. @defaultValue `"join"`
   */
  readonly repeatedMessages?: "join" | "begin";
  /** What becomes of a task when the client that began it leaves before its end. @defaultValue `"detach"` */
  readonly onClientGone?: "cancel" | "detach";
  /** Tells tasks to urls that callers name, when they wish it. @defaultValue not done, and the card says so */
  readonly pushNotifications?: PushOptions;
  /**
   * How large the text that a task streams may become, such as `"16mb"`. The task of a larger one has failed with
   * `PAYLOAD_TOO_LARGE`, and its trace is cancelled: a text is kept for readers to come. @defaultValue `"16mb"`
   */
  readonly textLimit?: string;
  /** How large a request may be, such as `"4mb"`: a number and b, kb, mb or gb. @defaultValue `"4mb"` */
  readonly bodyLimit?: string;
  /**
   * What becomes of tasks that the store has as being worked on while nobody in this process does: they have failed, or,
   * where several processes share a store, are left alone. @defaultValue `"fail"`
   */
  readonly abandonedTasks?: "fail" | "keep";
  /**
   * Interval of signs of life in milliseconds, at most 2147483647: comments in streams of events, pings over gRPC. 0 turns
   * them off. @defaultValue 15000
   */
  readonly keepAliveMs?: number;
  /** Whether clients of version 0.3 are served too. @defaultValue true */
  readonly legacy?: boolean;
}

const OPTIONS: readonly string[] = [
  "card",
  "url",
  "taskStore",
  "authenticate",
  "defaultTenant",
  "mayUseTenant",
  "onClientGone",
  "bodyLimit",
  "textLimit",
  "pushNotifications",
  "payloadOf",
  "answersWithMessage",
  "waitsForAuthorization",
  "repeatedMessages",
  "abandonedTasks",
  "keepAliveMs",
  "legacy",
];

/** Interval of signs of life where none is said. */
export const DEFAULT_KEEP_ALIVE_MS = 15_000;

/** The longest delay of a timer. */
const LONGEST_MS = 2 ** 31 - 1;

/** How large a request may be where nothing is said. */
export const DEFAULT_BODY_LIMIT = "4mb";

/** How large a streamed text may become where nothing is said. */
export const DEFAULT_TEXT_LIMIT = "16mb";

/** A size such as "4mb", in bytes. */
export function bytesOf(limit: string, option = "bodyLimit"): number {
  const [, count, unit = "b"] = /^(\d+)(b|kb|mb|gb)?$/i.exec(limit) ?? [];
  if (count === undefined) throw new TypeError(`Option "${option}" must be a size such as "4mb": got ${limit}`);
  return Number(count) * 1024 ** ["b", "kb", "mb", "gb"].indexOf(unit.toLowerCase());
}

/** @throws TypeError or RangeError when an option is unusable, or there is none of its name */
export function requireOptions(options: A2AServerOptions): void {
  for (const key of Object.keys(options))
    if (!OPTIONS.includes(key))
      throw new TypeError(`Unknown option "${key}" of A2AServerAdapter: known are "${OPTIONS.join('", "')}"`);
  bytesOf(options.bodyLimit ?? DEFAULT_BODY_LIMIT);
  const { textLimit = DEFAULT_TEXT_LIMIT } = options;
  if (bytesOf(textLimit, "textLimit") > constants.MAX_STRING_LENGTH)
    throw new RangeError(
      `Option "textLimit" must be at most ${constants.MAX_STRING_LENGTH}b, the longest text: got ${textLimit}`,
    );
  requireOneOf("onClientGone", options.onClientGone, ["cancel", "detach"]);
  requireOneOf("abandonedTasks", options.abandonedTasks, ["fail", "keep"]);
  requireOneOf("repeatedMessages", options.repeatedMessages, ["join", "begin"]);
  const { keepAliveMs = DEFAULT_KEEP_ALIVE_MS } = options;
  if (!Number.isInteger(keepAliveMs) || keepAliveMs < 0 || keepAliveMs > LONGEST_MS)
    throw new RangeError(`Option "keepAliveMs" must be a whole number from 0 to ${LONGEST_MS}: got ${keepAliveMs}`);
  if (options.legacy !== undefined && typeof options.legacy !== "boolean")
    throw new TypeError(`Option "legacy" must be true or false: got ${String(options.legacy)}`);
  for (const key of [
    "authenticate",
    "mayUseTenant",
    "payloadOf",
    "answersWithMessage",
    "waitsForAuthorization",
  ] as const)
    if (options[key] !== undefined && typeof options[key] !== "function")
      throw new TypeError(`Option "${key}" must be a function: got ${typeof options[key]}`);
}

function requireOneOf(name: string, value: string | undefined, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value))
    throw new TypeError(`Option "${name}" must be one of "${allowed.join('", "')}": got ${value}`);
}
