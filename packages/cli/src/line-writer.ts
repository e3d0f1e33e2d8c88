import type { Io } from "./io.ts";

/** Writes text to standard output as it streams, and ends its line before anything else is written. */
export class LineWriter {
  readonly #io: Io;
  /** Whether the last text was without a line break at its end. */
  #isInLine = false;

  constructor(io: Io) {
    this.#io = io;
  }

  /** Writes a piece of text; an empty one changes nothing. */
  write(text: string): void {
    if (text === "") return;
    this.#io.out(text);
    this.#isInLine = !text.endsWith("\n");
  }

  /** Ends the line, if one has begun. */
  endLine(): void {
    if (this.#isInLine) this.write("\n");
  }
}
