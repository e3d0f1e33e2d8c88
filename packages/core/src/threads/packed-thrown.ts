import { describeThrown } from "../foundation/flow-error.ts";
import { isCloneable } from "./find-uncloneable.ts";

/** A thrown value in a form that can be sent to another thread. Structured clone would lose class name and code. */
export type PackedThrown =
  | { readonly isError: false; readonly value: unknown }
  | {
      readonly isError: true;
      /** Name of the error, or of its class when it has none of its own. */
      readonly name: string;
      readonly message: string;
      readonly stack: string | undefined;
      readonly cause: PackedThrown | undefined;
      /** Own properties, such as `code` and `retryable`. */
      readonly fields: Readonly<Record<string, unknown>>;
    };

const MAX_CAUSES = 8;
const CARRIED_APART = new Set(["name", "message", "stack", "cause"]);

/** Converts a thrown value to a form that can be sent. A part that cannot be sent or read is described in words. */
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
 * Restores a value thrown in another thread, with its name, message, stack, causes and own properties. Built-in errors
 * keep their class; others become an `Error` of that name.
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
