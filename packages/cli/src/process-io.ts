import { createInterface } from "node:readline/promises";
import { text } from "node:stream/consumers";
import { constants } from "node:os";
import type { Io } from "./io.ts";

const INTERRUPTED = 128 + constants.signals.SIGINT;
const TERMINATED = 128 + constants.signals.SIGTERM;

/** Returns the surroundings of this process. The second Ctrl-C ends it at once. */
export function processIo(): Io {
  const { stdin, stdout, stderr, env } = process;
  const interrupt = new AbortController();
  process.on("SIGINT", () => {
    if (interrupt.signal.aborted) process.exit(INTERRUPTED);
    interrupt.abort(new Error("Ended by Ctrl-C"));
  });
  process.once("SIGTERM", () => process.exit(TERMINATED));
  // the reader of a pipe may leave early, as head does
  for (const stream of [stdout, stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      process.exit(error.code === "EPIPE" ? 0 : 1);
    });
  return {
    cwd: process.cwd(),
    env,
    canAsk: stdin.isTTY && stderr.isTTY && (env["CI"] ?? "") === "",
    hasColour: (stdout.isTTY && stdout.hasColors()) || (env["FORCE_COLOR"] ?? "") !== "",
    signal: interrupt.signal,
    out: (chunk) => void stdout.write(chunk),
    err: (chunk) => void stderr.write(chunk),
    read: async () => await text(stdin),
    async ask(question) {
      const terminal = createInterface({ input: stdin, output: stderr });
      // readline takes Ctrl-C for itself
      terminal.on("SIGINT", () => process.emit("SIGINT"));
      try {
        return await terminal.question(question, { signal: interrupt.signal });
      } finally {
        terminal.close();
      }
    },
  };
}
