/** Exit statuses of the command. 66 is EX_NOINPUT of sysexits, 130 the one a shell reports after Ctrl-C. */
export const ExitStatus = { answered: 0, nothingFound: 1, wrongUse: 2, noInput: 66, interrupted: 130 } as const;

export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

/** Failure of the command, with a message for its user. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly status: ExitStatus;

  constructor(status: ExitStatus, message: string) {
    super(message);
    this.status = status;
  }
}
