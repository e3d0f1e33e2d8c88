import { defaultLogger, errorPayload, type Logger } from "penguiflow";

/** Runs work that no caller awaits. Resolves when it is over; reports a failure instead of rejecting. */
export async function inBackground(work: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    warn(defaultLogger, "a2a_background_failed", { work, error: errorPayload(error).message });
  }
}

/** Logs a warning. Never throws or rejects, even when the logger does. */
export function warn(logger: Logger, event: string, facts: Readonly<Record<string, unknown>>): void {
  try {
    const written: unknown = logger.warn(event, facts);
    if (written instanceof Promise) written.catch(() => {});
  } catch {
    // a failing logger has nowhere to report to
  }
}

/**
 * Converts a thrown value to a readable error: the SDK fails in its own `catch` when a value cannot be converted to a
 * string.
 */
export function readableError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error && typeof String(thrown) === "string") return thrown;
  } catch {
    // its message cannot be read
  }
  return new Error(errorPayload(thrown).message);
}
