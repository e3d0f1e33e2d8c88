import type { LanguageModelV4Message } from "@ai-sdk/provider";
import type { LateResult } from "../plan/background.ts";
import type { Entry } from "../plan/entry.ts";
import type { Turn } from "../plan/log-item.ts";
import { turnOf } from "../plan/projection.ts";
import { addTurns } from "./prompt.ts";

/** Late results of a run that has none; nothing is added. */
const NONE_LATE = new Map<string, LateResult>();

/** A run as its model sees it: projected from the log, which it grows with. */
export class Conversation {
  readonly turns: Turn[] = [];
  /** The turns as messages of the default prompt. */
  readonly messages: LanguageModelV4Message[] = [];
  memory: Extract<Entry, { type: "memory" }> | undefined;
  /** The turns that were left out of the prompt, if it was too long. */
  compacted: Extract<Entry, { type: "compacted" }> | undefined;
  /** Whether each call has its result. */
  isWhole = true;
  /** Results of calls in the background, by call; made with the first, because few runs have one. */
  #late: Map<string, LateResult> | undefined;
  #length = 0;
  #last: Entry | undefined;

  /** Whether a log begins with the entries that were added. */
  isOf(entries: readonly Entry[]): boolean {
    return this.#length <= entries.length && entries[this.#length - 1] === this.#last;
  }

  /** Adds the entries of a log that are new. */
  add(entries: readonly Entry[]): void {
    const from = this.turns.length;
    for (let index = this.#length; index < entries.length; index += 1) {
      const entry = entries[index] as Entry;
      if (entry.type === "memory") this.memory ??= entry;
      if (entry.type === "compacted") this.compacted ??= entry;
      if (entry.type === "result" && entry.isLate === true) this.#late ??= new Map();
      const turn = turnOf(entry, this.#late ?? NONE_LATE);
      if (turn !== undefined) this.turns.push(turn);
    }
    this.isWhole = addTurns(this.messages, this.turns, from);
    this.#length = entries.length;
    this.#last = entries.at(-1);
  }
}

/** Returns its argument: the fields of a class that extends it become fields of that object. */
const Given = function (object: object): object {
  return object;
} as unknown as new (object: object) => object;

/**
 * The conversation of a run, as a private field of an object that all messages of the run share: no step projects again
 * what one before has projected. Neither code nor store sees it, and it goes with the object; the value of a `WeakMap`
 * outlives the next garbage collection. Another process, which has another object, projects the log anew.
 */
class Kept extends Given {
  #conversation: Conversation | undefined;

  /** Returns the conversation that the log of a run holds. */
  static of(run: object, entries: readonly Entry[]): Conversation {
    const kept = #conversation in run ? run : new Kept(run);
    const known = kept.#conversation;
    const conversation = known?.isOf(entries) === true ? known : new Conversation();
    conversation.add(entries);
    // a result that is yet to come belongs behind its call, where there is a message that says so
    kept.#conversation = conversation.isWhole ? conversation : undefined;
    return conversation;
  }

  static drop(run: object): void {
    if (#conversation in run) run.#conversation = undefined;
  }
}

/** Drops the conversation of a run that is about to wait, for days perhaps: the log has it all. */
export function dropConversation(run: object): void {
  Kept.drop(run);
}

/** Returns the conversation that the log of a run holds. `run` is an object that no other run has. */
export function conversationOf(run: object, entries: readonly Entry[]): Conversation {
  return Kept.of(run, entries);
}
