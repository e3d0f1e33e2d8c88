import { createHmac } from "node:crypto";
import { request as httpRequest, validateHeaderValue } from "node:http";
import { request as httpsRequest } from "node:https";
import type { StreamResponse, Task, TaskPushNotificationConfig } from "@a2a-js/sdk";
import { V03PushNotificationSerializer } from "@a2a-js/sdk/compat/v0_3/server";
import {
  type PushNotificationSender,
  type PushNotificationStore,
  type ServerCallContext,
  V1PushNotificationSerializer,
} from "@a2a-js/sdk/server";
import { defaultLogger, errorPayload, type Logger } from "penguiflow";
import { warn } from "./background.ts";
import { publicLookup, pushTarget } from "./push-target.ts";
import { isTerminal } from "./task-states.ts";

/** Options of push notifications. */
export interface PushOptions {
  /** Key that signs each notification: `X-Notification-Signature: t=<epoch seconds>,v1=<hmac-sha256 of "t.body">`. */
  readonly secret?: string;
  /** Whether private addresses may be targets, for tests. @defaultValue false */
  readonly allowPrivate?: boolean;
  /** Timeout of a request to a target, in milliseconds. @defaultValue 5000 */
  readonly timeoutMs?: number;
  /** Maximum number of attempts per notification, with backoff of 1 s, 2 s and so on. @defaultValue 3 */
  readonly maxAttempts?: number;
  /** Backoff before the second attempt, in milliseconds. @defaultValue 1000 */
  readonly backoffMs?: number;
  /** Store of the registrations. @defaultValue in memory, until their task is over */
  readonly store?: PushNotificationStore;
  /** Logger for failures. @defaultValue penguiflow's default logger */
  readonly logger?: Logger;
}

/** Maximum queue length per target; when full, the oldest notification is dropped. */
const MOST_WAITING = 100;

interface Letter {
  readonly url: URL;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/**
 * Sends notifications about tasks to URLs, in order for each target, without delaying the tasks. Follows no redirects,
 * and connects to the address it has checked. Retries a failing target, then drops the notification.
 */
export class PushSender implements PushNotificationSender {
  readonly #options: PushOptions;
  readonly #store: PushNotificationStore;
  readonly #lines = new Map<string, { readonly letters: Letter[]; readonly sending: Promise<void> }>();
  readonly #stop = new AbortController();
  readonly #serializers = { "1.0": new V1PushNotificationSerializer(), "0.3": new V03PushNotificationSerializer() };

  constructor(store: PushNotificationStore, options: PushOptions) {
    this.#store = store;
    this.#options = options;
  }

  /**
   * Queues the notifications about an event for all registered targets. Resolves before they are sent, and never
   * rejects.
   */
  async send(event: StreamResponse, context: ServerCallContext, task?: Task): Promise<void> {
    try {
      await this.#send(event, context, task);
    } catch (error) {
      this.#warn("", error);
    }
  }

  async #send({ payload }: StreamResponse, context: ServerCallContext, task: Task | undefined): Promise<void> {
    if (payload === undefined) return;
    const taskId = payload.$case === "task" ? payload.value.id : payload.value.taskId;
    if (taskId === "") return;
    const wishes =
      (await this.#store.loadWithMetadata?.(taskId, context)) ??
      (await this.#store.load(taskId, context)).map((config) => ({ config, wireVersion: context.requestedVersion }));
    for (const { config, wireVersion } of wishes) {
      const serializer = this.#serializers[wireVersion === "0.3" ? "0.3" : "1.0"];
      const { body, contentType } = serializer.serialize({ payload }, task);
      this.#post(`${taskId} ${config.id}`, config, body, contentType);
    }
    // the in-memory store releases the registrations of finished tasks
    if (this.#options.store !== undefined || task === undefined || !isTerminal(task)) return;
    for (const { config } of wishes) await this.#store.delete(taskId, context, config.id);
  }

  /** Waits for pending notifications, then aborts those not sent within `graceMs` milliseconds. */
  async close(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.#stop.abort(), graceMs);
    await Promise.all(Array.from(this.#lines.values(), ({ sending }) => sending));
    clearTimeout(timer);
  }

  #post(line: string, config: TaskPushNotificationConfig, body: string, contentType: string): void {
    const { allowPrivate = false } = this.#options;
    let url: URL;
    try {
      url = pushTarget(config.url, allowPrivate);
      // an earlier version or another process may have stored it unchecked
      requireSendable(config);
    } catch (error) {
      this.#warn(config.url, error);
      return;
    }
    const letter = { url, headers: { "content-type": contentType, ...credentialsOf(config) }, body };
    const waiting = this.#lines.get(line);
    if (waiting === undefined) {
      const letters = [letter];
      this.#lines.set(line, { letters, sending: this.#deliver(line, letters) });
      return;
    }
    waiting.letters.push(letter);
    if (waiting.letters.length > MOST_WAITING) {
      waiting.letters.splice(1, 1);
      this.#warn(config.url, new Error(`Dropped the oldest notification: the target is ${MOST_WAITING} behind`));
    }
  }

  async #deliver(line: string, letters: Letter[]): Promise<void> {
    const { maxAttempts = 3, backoffMs = 1_000 } = this.#options;
    for (let letter = letters[0]; letter !== undefined; letter = letters[0]) {
      for (let attempt = 1; ; attempt += 1) {
        const failure = await this.#attempt(letter).catch((error: unknown) => ({ error, mayPass: false }));
        if (failure === undefined) break;
        if (attempt >= maxAttempts || !failure.mayPass || this.#stop.signal.aborted) {
          this.#warn(letter.url.href, failure.error);
          break;
        }
        await this.#sleep(backoffMs * 2 ** (attempt - 1));
      }
      letters.shift();
    }
    this.#lines.delete(line);
  }

  /** Sends a notification; returns the failure, and whether a retry may succeed. */
  #attempt({ url, headers, body }: Letter): Promise<{ readonly error: Error; readonly mayPass: boolean } | undefined> {
    const { timeoutMs = 5_000, allowPrivate = false, secret } = this.#options;
    return new Promise((resolve) => {
      const call = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, {
        method: "POST",
        headers: { ...headers, ...(secret === undefined ? {} : { "x-notification-signature": signed(body, secret) }) },
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stop.signal]),
        ...(allowPrivate ? {} : { lookup: publicLookup() }),
      });
      call.on("error", (error) => resolve({ error, mayPass: !error.message.includes("is private") }));
      call.on("response", (response) => {
        response.on("error", () => {});
        response.resume();
        const { statusCode: status = 0 } = response;
        if (status >= 200 && status < 300) resolve(undefined);
        else
          resolve({
            error: new Error(`Cannot deliver the notification: expected status 2xx, got ${status}`),
            mayPass: status === 408 || status === 429 || status >= 500,
          });
      });
      call.end(body);
    });
  }

  async #sleep(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#stop.signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, delayMs);
      this.#stop.signal.addEventListener("abort", done);
    });
  }

  #warn(url: string, error: unknown): void {
    const { logger = defaultLogger } = this.#options;
    warn(logger, "push_notification_failed", { url, error: errorPayload(error).message });
  }
}

/**
 * Rejects a target whose token or credentials cannot be sent.
 *
 * @throws TypeError when one has a character that no HTTP header may have
 */
export function requireSendable({ token, authentication }: TaskPushNotificationConfig): void {
  const { scheme = "", credentials = "" } = authentication ?? {};
  for (const [name, value] of Object.entries({ token, scheme, credentials }))
    try {
      validateHeaderValue(name, value);
    } catch {
      // the message omits the value, which is a secret
      throw new TypeError(
        `Field "${name}" cannot be sent in a header: remove line breaks, controls and wide characters`,
      );
    }
}

function credentialsOf({ authentication, token }: TaskPushNotificationConfig): Record<string, string> {
  if (authentication !== undefined && authentication.scheme !== "" && authentication.credentials !== "")
    return { authorization: `${authentication.scheme} ${authentication.credentials}` };
  return token === "" ? {} : { "x-a2a-notification-token": token };
}

function signed(body: string, secret: string): string {
  const at = Math.floor(Date.now() / 1000);
  return `t=${at},v1=${createHmac("sha256", secret).update(`${at}.${body}`).digest("hex")}`;
}
