import { requireBoolean, requireFunction, requireKnownKeys, shown } from "../foundation/options.ts";

/** Destination of log lines. `console` is one. */
export interface Logger {
  /** Writes a line that helps to debug. The runtime itself writes none. */
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Writes a line about normal operation, such as the start of an attempt or a completed trace. */
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Writes a line about a problem that the work may survive, such as a failed attempt. */
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Writes a line about a loss, such as a failed trace or events that were not stored. */
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** The severity of a line. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Options of {@link configureLogging}. */
export interface LoggingOptions {
  /** One JSON object per line instead of text. @defaultValue false */
  readonly structured?: boolean;
  /** Minimum level; lines below it are omitted. @defaultValue `"info"` */
  readonly level?: LogLevel;
  /** Receives each finished line. @defaultValue `console`: warnings and errors to its error output */
  readonly write?: (line: string, level: LogLevel) => void;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

let lineOf = textLine;
let lowest = LEVELS.indexOf("info");
let write = writeToConsole;

/** Configures {@link defaultLogger} for the whole process. Omitted options get their defaults. */
export function configureLogging(options: LoggingOptions = {}): void {
  requireKnownKeys("configureLogging", options, ["structured", "level", "write"]);
  const level = options.level ?? "info";
  if (!LEVELS.includes(level))
    throw new TypeError(`Option "level" of configureLogging must be one of ${LEVELS.join(", ")}: got ${shown(level)}`);
  if (options.structured !== undefined) requireBoolean("structured", options.structured);
  if (options.write !== undefined) requireFunction("write", options.write);
  lineOf = options.structured === true ? jsonLine : textLine;
  lowest = LEVELS.indexOf(level);
  write = options.write ?? writeToConsole;
}

/** The logger used where none is given. Configure it with {@link configureLogging}. */
export const defaultLogger: Logger = {
  debug: (message, fields) => log("debug", message, fields),
  info: (message, fields) => log("info", message, fields),
  warn: (message, fields) => log("warn", message, fields),
  error: (message, fields) => log("error", message, fields),
};

/**
 * Wraps a logger so that it cannot harm its caller: a line that fails, synchronously or later, goes to {@link
 * defaultLogger}.
 */
export function safeLogger(logger: Logger): Logger {
  const safe =
    (level: LogLevel): Logger[LogLevel] =>
    (message, fields) => {
      const failed = (): void => {
        try {
          defaultLogger[level](message, fields);
        } catch {
          // no other place is left to write to
        }
      };
      try {
        // a method may be an async function, and nothing else awaits its rejection
        const written: unknown = logger[level](message, fields);
        if (written instanceof Promise) written.catch(failed);
      } catch {
        failed();
      }
    };
  return { debug: safe("debug"), info: safe("info"), warn: safe("warn"), error: safe("error") };
}

function log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
  if (LEVELS.indexOf(level) < lowest) return;
  const written: unknown = write(lineOf(level, message, fields), level);
  // nothing else awaits the rejection of an async function
  if (written instanceof Promise) written.catch(() => {});
}

function jsonLine(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): string {
  const head = { time: new Date().toISOString(), level, message };
  try {
    return JSON.stringify({ ...head, ...fields, ...head });
  } catch {
    return JSON.stringify({ ...head, fields: "not serialisable" });
  }
}

function textLine(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${plain(value)}`);
  return [`${level.toUpperCase().padEnd(5)} ${message}`, ...parts].join(" ");
}

function plain(value: unknown): string {
  if (typeof value === "string") return /[\s"=]/.test(value) ? JSON.stringify(value) : value;
  try {
    return JSON.stringify(value, withoutStack) ?? String(value);
  } catch {
    return "[not serialisable]";
  }
}

// omits the stack of an error, which would bury the rest of a text line; structured lines keep it
function withoutStack(key: string, value: unknown): unknown {
  return key === "stack" ? undefined : value;
}

function writeToConsole(line: string, level: LogLevel): void {
  if (level === "warn" || level === "error") console.error(line);
  else console.log(line);
}
