const PROCESS_MARK = Symbol.for("penguiflow.process");

/**
 * Returns the name of this process. Process ids repeat between containers, so it also has random digits. They are kept
 * globally, so that a second load of this module finds them.
 */
export function thisProcess(): string {
  const globals = globalThis as { readonly process?: { readonly pid?: number }; [PROCESS_MARK]?: string };
  const mark = (globals[PROCESS_MARK] ??= globalThis.crypto.randomUUID().slice(0, 8));
  return `process ${globals.process?.pid ?? "without id"} (${mark})`;
}
