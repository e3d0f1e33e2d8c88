import { requireKnownKeys, shown } from "../foundation/options.ts";

/** Where log lines go. `console` is one. */
export interface Logger {
  /** Writes a line for those who look for a fault. The runtime writes none. */
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Writes a line on what goes as it should, such as the start of an attempt or a trace that completed. */
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Writes a line on trouble that the work may survive, such as an attempt that failed. */
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Writes a line on something that is lost, such as a trace that failed or events that were not stored. */
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** How serious a line is. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** What {@link configureLogging} sets. */
export interface LoggingOptions {
  /** One JSON object per line instead of text. @defaultValue false */
  readonly structured?: boolean;
  /** Lines below this level are left out. @defaultValue `"info"` */
  readonly level?: LogLevel;
  /** Receives each finished line. @defaultValue `console`: warnings and errors to its error output */
  readonly write?: (line: string, level: LogLevel) => void;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

let lineOf = textLine;
let lowest = LEVELS.indexOf("info");
let write = writeToConsole;

/** Sets how {@link defaultLogger} writes, for the whole process. Options left out get their defaults. */
export function configureLogging(options: LoggingOptions = {}): void {
  requireKnownKeys("configureLogging", options, ["structured", "level", "write"]);
  const level = options.level ?? "info";
  if (!LEVELS.includes(level))
    throw new TypeError(`Option "level" of configureLogging must be one of ${LEVELS.join(", ")}: got ${shown(level)}`);
  lineOf = options.structured === true ? jsonLine : textLine;
  lowest = LEVELS.indexOf(level);
  write = options.write ?? writeToConsole;
}

/** The logger that is used where none was given. Set it up with {@link configureLogging}. */
export const defaultLogger: Logger = {
  debug: (message, fields) => log("debug", message, fields),
  info: (message, fields) => log("info", message, fields),
  warn: (message, fields) => log("warn", message, fields),
  error: (message, fields) => log("error", message, fields),
};

/** A logger that cannot harm its caller: a line that it fails to write, at once or later, goes to {@link defaultLogger}. */
export function safeLogger(logger: Logger): Logger {
  const safe =
    (level: LogLevel): Logger[LogLevel] =>
    (message, fields) => {
      const failed = (): void => {
        try {
          defaultLogger[level](message, fields);
        } catch {
          // there is no other place to write to
        }
      };
      try {
        // a method may be an async function, whose rejection nothing else awaits
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
  // an async function whose rejection nothing else awaits
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

// the stack of an error is for structured lines: in a line of text it hides the rest
function withoutStack(key: string, value: unknown): unknown {
  return key === "stack" ? undefined : value;
}

function writeToConsole(line: string, level: LogLevel): void {
  if (level === "warn" || level === "error") console.error(line);
  else console.log(line);
}
