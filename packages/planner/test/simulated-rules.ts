import type { LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { PromptParts, StepInfo } from "@penguiflow/planner";
import type { Checkpoint, LogRow } from "penguiflow";
import { turnsOf } from "../src/plan/projection.ts";
import type { Entry } from "../src/plan/entry.ts";

/** Text of the model's answers, after which a run ends. */
const ANSWER = /^answer \d+$/;

/** Beginning of the message that tells of calls in the background: the one reason to go on after an answer. */
const HEARD = "Results of your calls in the background";

/** Rule that must stand in front of what tools say. */
const DATA_RULE = "are data.";

/** Keys of calls in a prompt: in their arguments, and in what their tools say. */
const KEYS = /(?<!\\)"key":"([^"\\]+)"|done (\d+\.\d+\.\d+)/g;

/** The last prompt of a run, and what the model said to it. */
interface Asked {
  readonly step: number;
  readonly turns: readonly string[];
  answer?: string | undefined;
}

/** Prompts of simulated runs, and what is wrong with them. A run is known by the message that it began with. */
export class PromptRules {
  readonly #asked = new Map<string, Asked>();
  /** Runs by the keys of the calls that their models made. */
  readonly #owners = new Map<string, string>();
  /** Turns that the model has signed. */
  readonly #signed = new Set<string>();
  readonly #stored: StoredRules;
  readonly #broken: (what: string) => void;

  constructor(stored: StoredRules, broken: (what: string) => void) {
    this.#stored = stored;
    this.#broken = broken;
  }

  /** Forgets the prompts of a process that has ended: what it had not stored is lost. */
  restarted(): void {
    this.#asked.clear();
  }

  /** Takes the parts of a prompt, and what was made of them, twice. */
  made(
    given: PromptParts,
    { step, path }: StepInfo,
    prompts: readonly [LanguageModelV4Prompt, LanguageModelV4Prompt],
  ): void {
    const run = runOf(prompts[0]);
    const turns = given.turns.map((turn) => JSON.stringify(turn));
    const before = this.#asked.get(run);
    if (before !== undefined && before.step + 1 === step && !before.turns.every((turn, index) => turn === turns[index]))
      this.#broken(`P10: what was said before step ${step} of "${run}" has changed`);
    let at = 0;
    for (const stored of this.#stored.turnsOf(run)) {
      while (at < turns.length && turns[at] !== stored) at += 1;
      if (at === turns.length) this.#broken(`P10: step ${step} of "${run}" lacks what was stored: ${stored}`);
    }
    const [one, other] = prompts.map((prompt) => JSON.stringify(prompt));
    if (one !== other) this.#broken(`P11: two prompts of step ${step} of "${run}" differ`);
    const [first] = prompts[0];
    if (given.tools.length > 0 && !(first?.role === "system" && first.content.includes(DATA_RULE)))
      this.#broken(`P16: no rule tells the model of "${run}" that results are data`);
    if (path.length > 0 !== run.startsWith("{")) this.#broken(`P17: "${run}" runs at ${JSON.stringify(path)}`);
    this.#asked.set(run, { step, turns });
  }

  /** Takes a prompt as the model reads it. */
  read(prompt: LanguageModelV4Prompt): void {
    const run = runOf(prompt);
    for (const [, called, done] of JSON.stringify(prompt).matchAll(KEYS)) {
      const key = called ?? done ?? "";
      if (this.#owners.get(key) !== run)
        this.#broken(`P14: the model of "${run}" is told of call ${key} of "${this.#owners.get(key)}"`);
    }
    for (const [index, message] of prompt.entries()) {
      if (message.role !== "assistant") continue;
      const turns = message.content.flatMap((part) => (part.type === "tool-call" ? [turnOf(part.input)] : []));
      const signs = new Set(message.content.map((part) => part.providerOptions?.["sim"]?.["sign"]));
      for (const turn of turns)
        if (turn !== undefined && this.#signed.has(turn) && !signs.has(turn))
          this.#broken(`P11: the signature of turn ${turn} does not come back`);
      const isAnswer = message.content.some((part) => part.type === "text" && ANSWER.test(part.text));
      const next = prompt[index + 1];
      const isTold =
        next?.role === "user" && next.content.some((part) => part.type === "text" && part.text.startsWith(HEARD));
      if (isAnswer && turns.length === 0 && !isTold) this.#broken(`P12: "${run}" goes on after an answer`);
    }
  }

  /** Takes what the model says. */
  said(prompt: LanguageModelV4Prompt, { turn, keys, calls, text, isSigned }: ModelSaid): void {
    const run = runOf(prompt);
    for (const key of keys) this.#owners.set(key, run);
    if (isSigned) this.#signed.add(turn);
    const asked = this.#asked.get(run);
    if (asked !== undefined) asked.answer = calls > 0 ? `${calls} calls` : text;
  }

  /** Takes a question about a call. */
  asked(key: string, path: readonly string[]): void {
    const isBelow = this.#owners.get(key)?.startsWith("{") === true;
    if (isBelow !== path.length > 0) this.#broken(`P17: a question about call ${key} comes from [${path.join(", ")}]`);
  }

  /** Takes an answer with which a run has completed. */
  completed(run: string, output: string): void {
    const answer = this.#asked.get(run)?.answer;
    if (answer !== undefined && answer !== output)
      this.#broken(`P12: "${run}" completes with "${output}", and the last turn of its model is "${answer}"`);
  }
}

/** A turn of the model. */
export interface ModelSaid {
  readonly turn: string;
  readonly keys: readonly string[];
  readonly calls: number;
  readonly text: string;
  readonly isSigned: boolean;
}

/** Logs of durable simulated runs as their store has them, and what is wrong with them. */
export class StoredRules {
  readonly #rows = new Map<number, Map<number, string>>();
  /** Runs whose end was to be stored. */
  readonly #mayEnd = new Set<number>();
  readonly #runs = new Map<string, number>();
  readonly #byMessage = new Map<string, number>();
  readonly #broken: (what: string) => void;

  constructor(broken: (what: string) => void) {
    this.#broken = broken;
  }

  /** Takes a batch that is to be stored. A process that ends may leave open whether it was. */
  asked(put: readonly StoredTrace[], logs: readonly LogRow[]): void {
    for (const { run, tenant, traceId } of put) this.#runs.set(`${tenant}/${traceId}`, run);
    for (const { run, items } of logs) if (entriesOf(items).some(isEnd)) this.#mayEnd.add(run);
  }

  /** Takes the rows of a batch that was stored. */
  stored(logs: readonly LogRow[]): void {
    for (const { run, at, items } of logs) {
      const rows = this.#rows.get(run) ?? new Map<number, string>();
      this.#rows.set(run, rows);
      const before = rows.get(at);
      if (before !== undefined && before !== items)
        this.#broken(`P10: the items at ${at} of run ${run} are written anew`);
      rows.set(at, items);
      const said = entriesOf(items).find((entry) => entry.type === "said" && entry.by === undefined);
      const part = said?.type === "said" ? said.parts[0] : undefined;
      if (part?.type === "text") this.#byMessage.set(part.text, run);
    }
  }

  /** Returns the stored turns of the run that began with a message. */
  turnsOf(message: string): string[] {
    const run = this.#byMessage.get(message);
    return run === undefined ? [] : turnsOf(this.#entries(run)).map((turn) => JSON.stringify(turn));
  }

  /** Takes the end that a run was told to have. */
  told(run: string, status: string): void {
    const number = this.#runs.get(run);
    if (number === undefined) return;
    const entries = this.#entries(number);
    const ends = entries.flatMap((entry) => (isEnd(entry) ? [entry.end.status] : []));
    const isRight = ends.length === 0 ? this.#mayEnd.has(number) : ends.length === 1 && ends[0] === status;
    if (!isRight || (ends.length > 0 && !isEnd(entries.at(-1))))
      this.#broken(`P13: ${run} was told to be ${status}, and its log has the ends [${ends.join(", ")}]`);
  }

  #entries(run: number): Entry[] {
    const rows = [...(this.#rows.get(run) ?? [])].sort(([one], [other]) => one - other);
    return rows.flatMap(([, items]) => entriesOf(items));
  }
}

type StoredTrace = Pick<Checkpoint, "run" | "tenant" | "traceId">;

function isEnd(entry: Entry | undefined): entry is Extract<Entry, { type: "end" }> {
  return entry?.type === "end";
}

function entriesOf(items: string): Entry[] {
  return JSON.parse(items) as Entry[];
}

/** Returns the message that a run began with. */
function runOf(prompt: LanguageModelV4Prompt): string {
  const first = prompt.find(({ role }) => role === "user")?.content[0];
  return typeof first === "object" && first.type === "text" ? first.text : "";
}

function turnOf(input: unknown): string | undefined {
  const turn = (input as { readonly turn?: unknown } | null)?.turn;
  return typeof turn === "string" ? turn : undefined;
}
