/** The surroundings of a command: what it reads and writes. Results go to `out`, talk goes to `err`. */
export interface Io {
  /** Absolute path of the working folder. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether a person at a terminal can be asked. */
  readonly canAsk: boolean;
  /** Whether results may have colours. */
  readonly hasColour: boolean;
  /** Aborts with the first Ctrl-C. */
  readonly signal: AbortSignal;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Reads standard input to its end. */
  readonly read: () => Promise<string>;
  /** Asks on the terminal, and resolves with one line. Rejects when the signal aborts or the input ends. */
  readonly ask: (question: string) => Promise<string>;
}
