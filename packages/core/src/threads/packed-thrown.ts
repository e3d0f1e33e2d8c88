import { describeThrown } from "../foundation/flow-error.ts";
import { isCloneable } from "./find-uncloneable.ts";

/** Something thrown, in a form that can be sent to another thread. Structured clone would lose class name and code. */
export type PackedThrown =
  | { readonly isError: false; readonly value: unknown }
  | {
      readonly isError: true;
      /** Of the class, when the error has no name of its own. */
      readonly name: string;
      readonly message: string;
      readonly stack: string | undefined;
      readonly cause: PackedThrown | undefined;
      /** Its own properties, such as `code` and `retryable`. */
      readonly fields: Readonly<Record<string, unknown>>;
    };

const MAX_CAUSES = 8;
const CARRIED_APART = new Set(["name", "message", "stack", "cause"]);

/** Makes something thrown ready to be sent. What cannot be sent or read is described in words. */
export function packThrown(thrown: unknown, depth = 0): PackedThrown {
  try {
    if (!(thrown instanceof Error)) {
      return { isError: false, value: isCloneable(thrown) ? thrown : describeThrown(thrown) };
    }
    const { cause } = thrown;
    return {
      isError: true,
      name: thrown.name === "Error" ? thrown.constructor.name : thrown.name,
      message: thrown.message,
      stack: thrown.stack,
      cause: cause === undefined || depth === MAX_CAUSES ? undefined : packThrown(cause, depth + 1),
      fields: Object.fromEntries(
        Object.entries(thrown).filter(([key, value]) => !CARRIED_APART.has(key) && isCloneable(value)),
      ),
    };
  } catch {
    return { isError: false, value: describeThrown(thrown) };
  }
}

const BUILT_IN = new Map(
  [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((type) => [type.name, type]),
);

/**
 * What was thrown in another thread: name, message, stack, causes and own properties are as they were there. Errors
 * of the language are of their class, others are an `Error` of that name.
 */
export function unpackThrown(packed: PackedThrown): unknown {
  if (!packed.isError) return packed.value;
  const { name, message, stack, cause, fields } = packed;
  const type = BUILT_IN.get(name) ?? Error;
  const error = new type(message, cause === undefined ? undefined : { cause: unpackThrown(cause) });
  if (error.name !== name) Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  Object.defineProperty(error, "stack", { value: stack, configurable: true, writable: true });
  return Object.assign(error, fields);
}
