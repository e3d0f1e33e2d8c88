import type { LogLine } from "@penguiflow/playground/protocol";

/** Lines that are kept at most. */
const MAX_KEPT = 2_000;
/** Characters of a line at most. */
const MAX_LENGTH = 4_000;

/** The lines that the project's code prints: whole, and the latest of them. */
export class LogLines {
  readonly #onLine: (line: LogLine) => void;
  readonly #mask: (text: string) => string;
  readonly #begun = { stdout: "", stderr: "" };
  readonly #kept: LogLine[] = [];

  constructor(mask: (text: string) => string, onLine: (line: LogLine) => void) {
    this.#mask = mask;
    this.#onLine = onLine;
  }

  add(stream: "stdout" | "stderr", text: string): void {
    const lines = (this.#begun[stream] + text).split("\n");
    this.#begun[stream] = lines.pop()!.slice(-MAX_LENGTH);
    for (const each of lines) {
      const line: LogLine = { at: Date.now(), stream, text: this.#mask(each).slice(0, MAX_LENGTH) };
      this.#kept.push(line);
      if (this.#kept.length > MAX_KEPT) this.#kept.shift();
      this.#onLine(line);
    }
  }

  /** Returns the lines that were printed in a span of epoch milliseconds. */
  between(from: number, to: number): LogLine[] {
    return this.#kept.filter(({ at }) => at >= from && at <= to);
  }
}
