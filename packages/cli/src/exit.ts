/** Exit statuses of the command, with what each means. */
export const Exit = {
  OK: 0,
  /** The run failed, or findings were found. */
  FAILED: 1,
  /** The command line cannot be followed. */
  USAGE: 2,
  /** A file or folder is in the way. */
  EXISTS: 3,
  /** No flow was found, or the code does not load. */
  NO_FLOW: 4,
  /** The port is taken, or the address is none of this machine. */
  PORT_TAKEN: 5,
  /** The run waits for an answer, and there is no terminal to ask on. */
  PAUSED: 6,
  /** A run, trace, pause or member of a cluster is unknown. */
  UNKNOWN: 7,
  /** The flow refuses the answer. */
  REFUSED: 8,
  /** A source of tools cannot be reached. */
  UNREACHABLE: 9,
  /** Ended by Ctrl-C. */
  INTERRUPTED: 130,
} as const;

/** One of the exit statuses. */
export type ExitStatus = (typeof Exit)[keyof typeof Exit];

/** Sentences for the exit statuses in help. */
export const EXIT_TEXTS: Readonly<Record<ExitStatus, string>> = {
  0: "done",
  1: "it failed, or there are findings",
  2: "the command line cannot be followed",
  3: "a file is in the way",
  4: "no flow was found, or the code does not load",
  5: "the port is taken, or the address is none of this machine",
  6: "the run waits for an answer, and there is no terminal to ask on",
  7: "the run, trace, pause or member is unknown",
  8: "the answer is refused",
  9: "a source of tools cannot be reached",
  130: "ended by Ctrl-C",
};

/** Fields of a {@link CliError}. */
export interface CliErrorInit {
  /** Name of the problem for programs, such as `FLOW_UNKNOWN`. */
  readonly code: string;
  readonly exit: ExitStatus;
  /** The problem, and its place. */
  readonly message: string;
  /** Way out of it. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** A problem that ends the command, in words for the person who typed it. */
export class CliError extends Error {
  /** Distinguishes the error in logs. */
  override readonly name = "CliError";
  readonly code: string;
  readonly exit: ExitStatus;
  readonly hint: string | undefined;

  constructor({ code, exit, message, hint, cause }: CliErrorInit) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
    this.exit = exit;
    this.hint = hint;
  }
}
