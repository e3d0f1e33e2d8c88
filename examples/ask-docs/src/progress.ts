import type { WriteStream } from "node:tty";

const REDRAW_MS = 50;
const PLAIN_LINE_MS = 2_000;

/** Shows the progress of a long job: one line that is rewritten on a terminal, an occasional line elsewhere. */
export class Progress {
  readonly #stream: WriteStream;
  #toldAt: number;

  constructor(stream: WriteStream) {
    this.#stream = stream;
    this.#toldAt = stream.isTTY ? Number.NEGATIVE_INFINITY : performance.now();
  }

  /** Shows the state of the job, unless it did so a moment ago. */
  show(state: string): void {
    const now = performance.now();
    if (now - this.#toldAt < (this.#stream.isTTY ? REDRAW_MS : PLAIN_LINE_MS)) return;
    this.#toldAt = now;
    this.#stream.write(this.#stream.isTTY ? `${REWRITE}${state.slice(0, this.#stream.columns - 1)}` : `${state}\n`);
  }

  /** Replaces the moving line by a last one, or removes it. */
  end(line = ""): void {
    if (this.#stream.isTTY) this.#stream.write(REWRITE);
    if (line !== "") this.#stream.write(`${line}\n`);
  }
}

const REWRITE = "\r\u001B[2K";
