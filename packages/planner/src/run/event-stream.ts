import {
  type Clock,
  type FlowError,
  FlowErrorCode,
  type LoggedItem,
  type StreamChunk,
  type StreamItem,
} from "penguiflow";
import { questionOf } from "../flow/people.ts";
import type { Entry } from "../plan/entry.ts";
import type { PlanEvent } from "../plan/plan-event.ts";
import { Projection } from "../plan/projection.ts";
import type { Question } from "../plan/question.ts";
import { endingOf } from "../flow/close-log.ts";
import { type PlanBase, type PlanEnd, planEnd } from "../plan/plan-end.ts";
import { isRefusal } from "./end-of.ts";

type Items = AsyncIterable<StreamItem<unknown> | LoggedItem>;

/** Sources of the events of a run. */
export interface EventSource<Output, Names extends string> {
  readonly runId: string;
  /** Opens the items of the run; or gives the end of one that was not begun. */
  readonly open: () => Promise<Items | PlanEnd<Output>>;
  readonly clock: Clock;
  /** The run so far: events of earlier entries are not told again. */
  readonly projection: Projection<Output, Names>;
  /** The questions that are open. */
  readonly questions: () => Promise<readonly Question[]>;
}

/** Yields the events of a run as they happen; the last one is `end` or `paused`. */
export async function* eventsOf<Output, Names extends string>({
  runId,
  open,
  clock,
  projection,
  questions,
}: EventSource<Output, Names>): AsyncGenerator<PlanEvent<Output, Names>, void, undefined> {
  const below = new Map<string, Projection<Output, Names>>();
  /** Makes an event that is told and not stored: it has the number of the stored one before it. */
  const told = (path: readonly string[], step: number, event: object): PlanEvent<Output, Names> =>
    ({ seq: projection.seq, at: clock.epochNow(), runId, step, path, ...event }) as PlanEvent<Output, Names>;
  const items = await open();
  if ("status" in items) {
    yield { seq: 1, at: clock.epochNow(), runId: items.runId, step: 0, path: [], type: "end", end: items };
    return;
  }
  try {
    for await (const item of items) {
      if (item.type === "pause") {
        const question = questionOf(item.pause);
        yield told(question.path, projection.step, { type: "question", question });
      } else if (item.type === "chunk") {
        const event = eventOf(item.chunk);
        const { path = [] } = item.chunk;
        const { step } = path.length === 0 ? projection : (below.get(path.join("/")) ?? projection);
        if (event !== undefined) yield told(path, event.type === "progress" ? step : step + 1, event);
      } else if (item.type === "log") {
        const entries = item.items as readonly Entry[];
        if (item.path.length === 0) {
          // without delegation, which costs several promises for each event
          for (const event of projection.add(entries, { runId, path: [] })) yield event;
        } else {
          const key = item.path.join("/");
          const inner = below.get(key) ?? new Projection<Output, Names>();
          below.set(key, inner);
          const { seq } = projection;
          // the end of a planner below is told as the result of its call
          for (const event of inner.add(entries, { runId, path: item.path }))
            if (event.type !== "end") yield { ...event, seq };
        }
      }
    }
  } catch (error) {
    if ((error as FlowError).code === FlowErrorCode.TRACE_PAUSED) {
      yield told([], projection.step, { type: "paused", questions: await questions() });
      return;
    }
    if (isRefusal(error)) throw error;
    // a durable run that failed or was stopped may be taken up again: its log has no end yet
    if (projection.end !== undefined) return;
    const { steps, step, toolCalls, tokens, costUsd } = projection;
    const base: PlanBase = { runId, steps, spent: { steps: step, toolCalls, tokens, costUsd } };
    yield told([], step, { type: "end", end: planEnd<Output>(endingOf(error as FlowError), base) });
  }
}

function eventOf(chunk: StreamChunk): { readonly type: string } | undefined {
  if (chunk.kind === "planner.reasoning") return { type: "reasoning", ...chunk.data };
  if (chunk.kind === "planner.progress") return { type: "progress", ...chunk.data };
  return chunk.kind === undefined && chunk.text !== ""
    ? ({ type: "text", delta: chunk.text } as { type: string })
    : undefined;
}
