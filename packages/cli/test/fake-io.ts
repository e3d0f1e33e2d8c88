import type { Io } from "../src/io.ts";

/** Surroundings that keep what a command prints. */
export interface FakeIo extends Io {
  /** Everything on standard output so far. */
  readonly printed: () => string;
  /** Everything on standard error so far. */
  readonly said: () => string;
}

/** Makes surroundings. `answers` are those of a person at a terminal; without any, there is none. */
export function fakeIo(
  cwd: string,
  { answers, input = "", env = {}, signal = new AbortController().signal }: Partial<FakeOptions> = {},
): FakeIo {
  let [out, err] = ["", ""];
  const left = [...(answers ?? [])];
  return {
    cwd,
    env,
    canAsk: answers !== undefined,
    hasColour: false,
    signal,
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    read: () => Promise.resolve(input),
    ask(question) {
      err += question;
      const answer = left.shift();
      return answer === undefined ? Promise.reject(new Error("Nobody answers")) : Promise.resolve(answer);
    },
    printed: () => out,
    said: () => err,
  };
}

interface FakeOptions {
  readonly answers: readonly string[];
  readonly input: string;
  readonly env: Io["env"];
  readonly signal: AbortSignal;
}
