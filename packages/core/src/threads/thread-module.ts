import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { shown } from "../foundation/options.ts";
import type { PayloadOf } from "../graph/edge-typing.ts";
import type { ThreadContext } from "./thread-context.ts";

/** A module whose functions can run in threads. Created by `threadModule`. */
export interface ThreadModule<out Exports> {
  /** URL from which a thread imports the module. */
  readonly url: string;
  /** The module's exports, in types only. */
  readonly "~exports"?: Exports | undefined;
}

/** The names of a module's functions that can run in a thread: `(payload, thread) => result`. */
export type RunnableOf<Exports> = {
  [Key in keyof Exports & string]: Exports[Key] extends (payload: never, thread: ThreadContext) => unknown
    ? Key
    : never;
}[keyof Exports & string];

/** The payload that a function of a module accepts. */
export type TakenBy<Exports, Run extends keyof Exports> = Exports[Run] extends (
  payload: infer Payload,
  ...rest: never
) => unknown
  ? Payload
  : never;

/** The payload that a function of a module returns or resolves with. */
export type ResultOf<Exports, Run extends keyof Exports> = Exports[Run] extends (...parameters: never) => infer Returned
  ? PayloadOf<Awaited<Returned>>
  : never;

const modules = new WeakSet<object>();

/**
 * Names a module whose exported functions run in threads. Threads import it on first use; the calling thread never
 * does. The type argument lets the compiler check the calls.
 *
 * @example
 * ```ts
 * import type * as hashFile from "./hash-file.ts";
 *
 * const hashing = threadModule<typeof hashFile>(new URL("./hash-file.ts", import.meta.url));
 * ```
 * @param url - of a TypeScript or JavaScript file, or a `data:` URL. If the `.ts` file does not exist, as after a
 *   build, the `.js` file beside it is used
 * @throws TypeError when it is no such URL, or there is no such file
 */
export function threadModule<Exports extends object>(url: URL | string): ThreadModule<Exports> {
  const wanted = typeof url === "string" && URL.canParse(url) ? new URL(url) : url;
  if (!(wanted instanceof URL) || !["file:", "data:"].includes(wanted.protocol)) {
    throw new TypeError(
      `threadModule needs a file: or data: URL, as new URL("./hash-file.ts", import.meta.url): got ${shown(url instanceof URL ? url.href : url)}`,
    );
  }
  const module = { url: wanted.protocol === "file:" ? existingFile(wanted) : wanted.href };
  modules.add(module);
  return Object.freeze(module);
}

/** Whether `value` was created by `threadModule`. */
export function isThreadModule(value: unknown): value is ThreadModule<unknown> {
  return typeof value === "object" && value !== null && modules.has(value);
}

function existingFile(url: URL): string {
  const built = new URL(url);
  built.pathname = url.pathname.replace(/\.([cm]?)ts$/, ".$1js");
  const found = [url, built].find((candidate) => existsSync(fileURLToPath(candidate)));
  if (found === undefined) throw new TypeError(`threadModule needs a module that exists: got ${shown(url.href)}`);
  return found.href;
}
