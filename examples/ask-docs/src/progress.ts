import type { WriteStream } from "node:tty";

const REDRAW_MS = 50;
const PLAIN_LINE_MS = 2_000;

/** Tells how far a long job is: on a terminal one line that is rewritten, elsewhere a line now and then. */
export class Progress {
  readonly #stream: WriteStream;
  #toldAt: number;

  constructor(stream: WriteStream) {
    this.#stream = stream;
    this.#toldAt = stream.isTTY ? Number.NEGATIVE_INFINITY : performance.now();
  }

  /** Shows where the job is, unless it did so a moment ago. */
  show(state: string): void {
    const now = performance.now();
    if (now - this.#toldAt < (this.#stream.isTTY ? REDRAW_MS : PLAIN_LINE_MS)) return;
    this.#toldAt = now;
    this.#stream.write(this.#stream.isTTY ? `${REWRITE}${state.slice(0, this.#stream.columns - 1)}` : `${state}\n`);
  }

  /** Puts a last line in the place of the moving one, or takes it away. */
  end(line = ""): void {
    if (this.#stream.isTTY) this.#stream.write(REWRITE);
    if (line !== "") this.#stream.write(`${line}\n`);
  }
}

const REWRITE = "\r\u001B[2K";
