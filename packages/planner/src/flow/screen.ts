import type { Caller } from "../plan/caller.ts";
import type { Policy } from "../plan/policy.ts";
import { verdictOf } from "../plan/verdict.ts";

/** An answer after the policies. */
export interface Screened {
  readonly text: string;
  /** Reason why the rest must not be told; `text` was told before. */
  readonly stop?: string | undefined;
}

/** The end of a sentence with what follows it. */
const SENTENCE = /^[^]*?[.!?…\n]+\s+/;

/**
 * Shows an answer to the policies, sentence by sentence as the model speaks, and tells a sentence when it has passed.
 *
 * States: open → stopped, by a verdict; what comes then is dropped.
 */
export class Screen {
  readonly #policies: readonly Policy[];
  readonly #caller: Caller;
  readonly #tell: ((text: string) => Promise<void>) | undefined;
  #waiting = "";
  #text = "";
  #stop: string | undefined;

  constructor(policies: readonly Policy[], caller: Caller, tell: ((text: string) => Promise<void>) | undefined) {
    this.#policies = policies;
    this.#caller = caller;
    this.#tell = tell;
  }

  /** Adds a piece of the answer. */
  async add(delta: string): Promise<void> {
    this.#waiting += delta;
    for (let sentence = SENTENCE.exec(this.#waiting)?.[0]; sentence !== undefined;) {
      this.#waiting = this.#waiting.slice(sentence.length);
      await this.#pass(sentence);
      sentence = SENTENCE.exec(this.#waiting)?.[0];
    }
  }

  /** Ends the answer, and returns what is left of it. */
  async end(): Promise<Screened> {
    const rest = this.#waiting;
    this.#waiting = "";
    if (rest !== "") await this.#pass(rest);
    return { text: this.#text, ...(this.#stop !== undefined && { stop: this.#stop }) };
  }

  async #pass(sentence: string): Promise<void> {
    if (this.#stop !== undefined) return;
    const verdict = await verdictOf(this.#policies, { at: "answer", text: sentence, caller: this.#caller });
    if (typeof verdict === "object" && !("replace" in verdict)) {
      this.#stop = "deny" in verdict ? verdict.deny : verdict.stop;
      return;
    }
    const text = typeof verdict === "object" ? verdict.replace : sentence;
    this.#text += text;
    await this.#tell?.(text);
  }
}
