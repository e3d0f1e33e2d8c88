import type { LanguageModelV4 } from "@ai-sdk/provider";
import { FlowError, FlowErrorCode, type Log, type LogKey } from "penguiflow";
import { ModelError } from "../model/model-error.ts";
import type { Prices } from "../model/model-turn.ts";
import type { PromptParts, RememberedTurn } from "../model/prompt-parts.ts";
import { clipToTokens, estimateTokens } from "../model/usage.ts";
import type { Caller } from "../plan/caller.ts";
import { summarise } from "./summarise.ts";
import type { AskingAttempt } from "../model/watch-model.ts";
import {
  type PlacedTurn,
  readTail,
  type Summary,
  type ThreadItem,
  threadKey,
  type ThreadTail,
} from "./thread-items.ts";

/**
 * The memory of a planner: what earlier runs of a thread have said. A thread is of one tenant and user. A run without a
 * thread has no memory. The log keeps every turn until the program trims it.
 */
export interface Memory {
  readonly store: Log;
  /** Number of the last turns that a prompt shows whole. @defaultValue 5 */
  readonly turns?: number | undefined;
  /**
   * Summary of the turns before those. Without one they are left out.
   *
   * @defaultValue none
   */
  readonly summary?:
    | {
        /** Number of turns above which all but the last `turns` are summarised. Until then they are shown whole. */
        readonly over: number;
        /** @defaultValue the planner's */
        readonly model?: LanguageModelV4 | undefined;
      }
    | undefined;
  /** Tokens, as estimated, that memory takes in a prompt. Older turns are left out first. @defaultValue no limit */
  readonly maxTokens?: number | undefined;
}

/** The model with which a summary is made, if there is something to summarise. */
export interface Summariser {
  readonly model: () => LanguageModelV4;
  readonly prices?: Prices | undefined;
  readonly signal: AbortSignal;
  readonly askedBy?: AskingAttempt | undefined;
}

/** The turns of a thread that a prompt shows, and how far its log has come. */
export interface ThreadMemory {
  readonly summary?: string | undefined;
  readonly turns: PromptParts["memory"]["turns"];
  /** Position after the last item that was there. A turn of this run is at it or behind. */
  readonly at: number;
  /** Tokens and dollars of a summary that was made now. */
  readonly spent?: { readonly tokens: number; readonly costUsd: number } | undefined;
}

const DEFAULT_TURNS = 5;

/** Number of summaries in a row that may fail before turns are lost to the next. */
const FAILED_SUMMARIES = 4;

/** Reads what a prompt shows of a thread, and makes a summary when it is time. One that fails is done without. */
export async function readThread(memory: Memory, caller: Caller, summariser: Summariser): Promise<ThreadMemory> {
  const { store, turns: shown = DEFAULT_TURNS, summary } = memory;
  const key = threadKey(caller);
  if (key === undefined) return { turns: [], at: 0 };
  const over = Math.max(shown, summary?.over ?? 0);
  const tail = await readTail(store, key, FAILED_SUMMARIES * (over + 1));
  const at = tail.length;
  const split = Math.max(0, tail.turns.length - shown);
  const last = tail.turns.slice(split);
  if (summary === undefined) return { ...fitted(memory, tail.summary, last), at };
  if (tail.turns.length <= over) return { ...fitted(memory, tail.summary, tail.turns), at };
  const { made, spent } = await newSummary(summary.model, tail, split, summariser);
  if (made !== undefined) await keep(store, key, tail.length, made);
  return { ...fitted(memory, made ?? tail.summary, last), at, spent };
}

type Spent = NonNullable<ThreadMemory["spent"]>;

/** Makes a summary of the summary so far and the first turns behind it. */
async function newSummary(
  own: LanguageModelV4 | undefined,
  { summary, turns, length }: ThreadTail,
  split: number,
  { model, ...summariser }: Summariser,
): Promise<{ readonly made: Summary | undefined; readonly spent: Spent | undefined }> {
  try {
    const old = turns.slice(0, split).map(({ turn }) => turn);
    const answer = await summarise({ ...summariser, model: own ?? model(), summary: summary?.summary, turns: old });
    const { text, finish, problem, tokensIn, tokensOut, costUsd } = answer;
    const isWhole = finish === "stop" && problem === undefined;
    const made = isWhole ? { summary: text.trim(), before: turns[split]?.at ?? length } : undefined;
    return { made, spent: { tokens: tokensIn + tokensOut, costUsd } };
  } catch (error) {
    if (error instanceof ModelError) return { made: undefined, spent: undefined };
    throw error;
  }
}

/** Keeps a summary, unless another run has added to the thread: it makes its own. */
async function keep(store: Log, key: LogKey, at: number, made: Summary): Promise<void> {
  try {
    await store.append(key, at, [made]);
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
}

/** Leaves out the oldest turns until memory takes no more than its tokens. A summary comes before them all. */
function fitted(
  { maxTokens = Number.POSITIVE_INFINITY }: Memory,
  summary: Summary | undefined,
  turns: readonly PlacedTurn[],
): Pick<ThreadMemory, "summary" | "turns"> {
  const text = summary && clipToTokens(summary.summary, maxTokens);
  let left = maxTokens - estimateTokens(text ?? "");
  let first = turns.length;
  while (first > 0) {
    left -= estimateTokens(JSON.stringify(turns[first - 1]?.turn));
    if (left < 0) break;
    first -= 1;
  }
  return { ...(text !== undefined && { summary: text }), turns: turns.slice(first).map(({ turn }) => turn) };
}

/**
 * Adds a turn to its thread, unless it is there already: once for each run.
 *
 * @param from - position from which it may be there: {@link ThreadMemory.at} of its run
 */
export async function rememberTurn(memory: Memory, caller: Caller, turn: RememberedTurn, from = 0): Promise<void> {
  const key = threadKey(caller);
  if (key === undefined) return;
  for (let position = from; ;) {
    const page = await memory.store.read(key, { from: position });
    if ((page.items as readonly ThreadItem[]).some((item) => "runId" in item && item.runId === turn.runId)) return;
    position = Math.max(position, page.at + page.items.length);
    if (position < page.length) continue;
    try {
      await memory.store.append(key, page.length, [turn]);
      return;
    } catch (error) {
      // another run was faster: what it has added is read first
      if (!isConflict(error)) throw error;
    }
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof FlowError && error.code === FlowErrorCode.LOG_CONFLICT;
}
