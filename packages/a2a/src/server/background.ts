import { defaultLogger, errorPayload, type Logger } from "penguiflow";

/** Runs work that no caller waits for. Resolves when it is over; reports a failure instead of rejecting. */
export async function inBackground(work: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    warn(defaultLogger, "a2a_background_failed", { work, error: errorPayload(error).message });
  }
}

/** Writes a warning. Never throws, and leaves no rejection behind, whatever the logger does. */
export function warn(logger: Logger, event: string, facts: Readonly<Record<string, unknown>>): void {
  try {
    const written: unknown = logger.warn(event, facts);
    if (written instanceof Promise) written.catch(() => {});
  } catch {
    // a logger that fails has nowhere to say so
  }
}

/** A thrown value as an error that can be read: the SDK fails in its own `catch` where it cannot write one as a text. */
export function readableError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error && typeof String(thrown) === "string") return thrown;
  } catch {
    // its message cannot be read
  }
  return new Error(errorPayload(thrown).message);
}
