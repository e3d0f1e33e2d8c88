import type { Interrupt, Message, ResumeEntry } from "@ag-ui/core";
import type { OpenPause } from "./agent.ts";
import { Refusal, type RunEnd } from "./run-end.ts";

/** End of a request's run, as it is told again to a client that repeats its resume. */
export interface Ended {
  readonly end: RunEnd;
  /** The questions that are open, if it waits. */
  readonly interrupts: readonly Interrupt[];
  /** The messages of the run. */
  readonly messages: readonly Message[];
}

/** An answer that an interrupt was given. */
interface Given {
  readonly answer: string;
  readonly ended: Promise<Ended>;
}

/** A resume that was checked: answers to give, or an earlier run whose end is told again. */
export type CheckedResume =
  | { readonly again: Promise<Ended> }
  | { readonly again: undefined; readonly answers: readonly Answer[] };

/** An answer to give to an open pause. */
export interface Answer {
  readonly pause: OpenPause;
  /** The answer; `undefined` if the trace is to be cancelled. */
  readonly value: unknown;
}

/** Number of answers that are remembered. */
const MAX_GIVEN = 256;

/** The answers that were given lately, so that a repeated resume has the outcome of the first. */
export class Resumes {
  readonly #given = new Map<string, Given>();

  /**
   * Checks a resume against the open pauses of its thread and remembers its answers, in one step: of two equal resumes
   * that arrive together, one answers.
   *
   * @param ended - how the run of this resume will end
   * @throws Refusal `INTERRUPT_UNKNOWN`, `INTERRUPT_ANSWERED`, `INTERRUPT_UNANSWERED`, `RESUME_INVALID`
   */
  check(entries: readonly ResumeEntry[], open: readonly OpenPause[], ended: Promise<Ended>): CheckedResume {
    const byId = new Map(entries.map((entry) => [entry.interruptId, entry]));
    if (byId.size < entries.length)
      throw new Refusal("RESUME_INVALID", "The resume answers an interrupt twice: send one entry for each");
    const again: Given[] = [];
    const answers: Answer[] = [];
    for (const entry of entries) {
      const { interruptId } = entry;
      const given = this.#given.get(interruptId);
      const pause = open.find(({ id }) => id === interruptId);
      if (given?.answer === answerOf(entry)) again.push(given);
      else if (given !== undefined)
        throw new Refusal("INTERRUPT_ANSWERED", `The interrupt "${interruptId}" was answered already`);
      else if (pause !== undefined) answers.push({ pause, value: pause.answer(entry) });
      else
        throw new Refusal(
          "INTERRUPT_UNKNOWN",
          `The thread has no open interrupt "${interruptId}": it was answered, has expired, or is another thread's`,
        );
    }
    const left = open.filter(({ id }) => !byId.has(id) && !this.#given.has(id));
    if (left.length > 0)
      throw new Refusal(
        "INTERRUPT_UNANSWERED",
        `The resume leaves ${left.length} interrupts open: answer ${left.map(({ id }) => `"${id}"`).join(", ")} as well`,
      );
    const last = again.at(-1);
    if (answers.length === 0 && last !== undefined) return { again: last.ended };
    for (const { pause } of answers)
      this.#given.set(pause.id, { answer: answerOf(byId.get(pause.id) as ResumeEntry), ended });
    for (const id of this.#given.keys()) {
      if (this.#given.size <= MAX_GIVEN) break;
      this.#given.delete(id);
    }
    return { again: undefined, answers };
  }

  /** Forgets answers that were not taken. */
  forget(ids: Iterable<string>): void {
    for (const id of ids) this.#given.delete(id);
  }
}

function answerOf({ status, payload }: ResumeEntry): string {
  return JSON.stringify([status, payload ?? null]);
}
