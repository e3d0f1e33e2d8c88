import { constants } from "node:buffer";
import type { Message } from "@a2a-js/sdk";
import type { TaskStore } from "@a2a-js/sdk/server";
import type { PauseTicket } from "penguiflow";
import { requireFunction, requireKnownKeys, requireOneOf } from "penguiflow/adapter";
import type { Card } from "./agent-card.ts";
import type { CallRequest } from "./connection.ts";
import type { PushOptions } from "./push-sender.ts";

/** The caller of a message, as the server has authenticated it. */
export interface A2ACaller {
  readonly tenant: string;
  /** Absent for an anonymous caller. */
  readonly user?: string | undefined;
  /** Conversation that the message is part of. Its client names it, so it is unique within a tenant and user alone. */
  readonly contextId: string;
}

/** Options of `A2AServerAdapter`. */
export interface A2AServerOptions {
  /** Description of the agent. Messages with media types other than the card's input modes are refused. */
  readonly card: Card;
  /** URL at which callers reach the agent, without a path. @defaultValue the address on which `createA2AApp` listens */
  readonly url?: string;
  /** Store of the tasks. @defaultValue a `MemoryTaskStore` */
  readonly taskStore?: TaskStore;
  /**
   * Authenticates a caller: returns the user's name. `undefined` refuses the call with 401, over gRPC UNAUTHENTICATED.
   * Users see their own tasks only. @defaultValue all callers are one anonymous user
   */
  readonly authenticate?: (request: CallRequest) => string | undefined | Promise<string | undefined>;
  /** Tenant of anonymous callers that name none. @defaultValue `"default"` */
  readonly defaultTenant?: string;
  /**
   * Whether a user may act for the tenant a call names; a call without one acts for its user. Return `false` where a
   * flow has its tenant's permissions. @defaultValue `true` for all; users see their own tasks only
   */
  readonly mayUseTenant?: (user: string | undefined, tenant: string) => boolean;
  /**
   * Converts a message to the payload of a flow or, with `pause`, to the answer of that pause. Who sent it is in
   * `caller`: nothing of the message says so. `plannerPayload` is the one for planners. @defaultValue the message's
   * first data part, else its text, else its files
   */
  readonly payloadOf?: (message: Message, caller: A2ACaller, pause?: PauseTicket) => unknown;
  /**
   * Whether a message is answered by a message, without a task: such work cannot be read, listed or cancelled.
   * @defaultValue none
   */
  readonly answersWithMessage?: (message: Message) => boolean;
  /**
   * Whether a pause waits for an authorization from another channel: its task is AUTH_REQUIRED. The task's next message
   * makes the handler check again. @defaultValue none
   */
  readonly waitsForAuthorization?: (pause: PauseTicket) => boolean;
  /**
   * Whether the tasks of one context run side by side, or one after the other: a planner has one run at a time in each
   * thread. With `"serial"`, a message that would begin a task fails while another task of its user's context waits for
   * its caller. @defaultValue `"serial"` with `plannerPayload`, else `"parallel"`
   */
  readonly contexts?: "parallel" | "serial";
  /**
   * Handling of a repeated message, equal in every field: it joins the task of the first one, or begins another. A
   * repeat of a message that came to nothing begins anew. @defaultValue `"join"`
   */
  readonly repeatedMessages?: "join" | "begin";
  /**
   * Fate of a task whose client disconnects before its end: cancelled, or detached to continue. @defaultValue
   * `"detach"`
   */
  readonly onClientGone?: "cancel" | "detach";
  /** Push notifications to URLs that callers register. @defaultValue none, and the card says so */
  readonly pushNotifications?: PushOptions;
  /**
   * Maximum streamed text of a task, such as `"16mb"`. A task that exceeds it fails with `PAYLOAD_TOO_LARGE` and its
   * trace is cancelled, because the text is kept for later readers. @defaultValue `"16mb"`
   */
  readonly textLimit?: string;
  /** Maximum size of a request, such as `"4mb"`: a number and b, kb, mb or gb. @defaultValue `"4mb"` */
  readonly bodyLimit?: string;
  /**
   * Handling of orphaned tasks, which the store has as being worked on while this process does not: mark them failed,
   * or leave them alone, where several processes share a store. @defaultValue `"fail"`
   */
  readonly abandonedTasks?: "fail" | "keep";
  /**
   * Interval of keep-alives in milliseconds, at most 2147483647: comments in event streams, pings over gRPC. 0 disables
   * them. @defaultValue 15000
   */
  readonly keepAliveMs?: number;
  /** Whether clients of version 0.3 are served, too. @defaultValue true */
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
  "contexts",
  "repeatedMessages",
  "abandonedTasks",
  "keepAliveMs",
  "legacy",
];

/** Default interval of keep-alives. */
export const DEFAULT_KEEP_ALIVE_MS = 15_000;

/** The longest delay of a timer. */
const LONGEST_MS = 2 ** 31 - 1;

/** Default maximum size of a request. */
export const DEFAULT_BODY_LIMIT = "4mb";

/** Default maximum of a streamed text. */
export const DEFAULT_TEXT_LIMIT = "16mb";

/** Parses a size such as "4mb" into bytes. */
export function bytesOf(limit: string, option = "bodyLimit"): number {
  const [, count, unit = "b"] = /^(\d+)(b|kb|mb|gb)?$/i.exec(limit) ?? [];
  if (count === undefined) throw new TypeError(`Option "${option}" must be a size such as "4mb": got ${limit}`);
  return Number(count) * 1024 ** ["b", "kb", "mb", "gb"].indexOf(unit.toLowerCase());
}

/** @throws TypeError or RangeError when an option is unknown or invalid */
export function requireOptions(options: A2AServerOptions): void {
  requireKnownKeys("A2AServerAdapter", options, OPTIONS);
  bytesOf(options.bodyLimit ?? DEFAULT_BODY_LIMIT);
  const { textLimit = DEFAULT_TEXT_LIMIT } = options;
  if (bytesOf(textLimit, "textLimit") > constants.MAX_STRING_LENGTH)
    throw new RangeError(
      `Option "textLimit" must be at most ${constants.MAX_STRING_LENGTH}b, the longest string: got ${textLimit}`,
    );
  const { contexts, onClientGone, abandonedTasks, repeatedMessages } = options;
  if (contexts !== undefined) requireOneOf("contexts", contexts, ["parallel", "serial"]);
  if (onClientGone !== undefined) requireOneOf("onClientGone", onClientGone, ["cancel", "detach"]);
  if (abandonedTasks !== undefined) requireOneOf("abandonedTasks", abandonedTasks, ["fail", "keep"]);
  if (repeatedMessages !== undefined) requireOneOf("repeatedMessages", repeatedMessages, ["join", "begin"]);
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
    if (options[key] !== undefined) requireFunction(key, options[key]);
}
