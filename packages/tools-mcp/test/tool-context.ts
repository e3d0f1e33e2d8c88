import type { Caller, Json, ToolContext, ToolQuestion } from "@penguiflow/planner";
import { DEFAULT_BUDGET } from "@penguiflow/planner";

/** Settings of a {@link toolContext}. */
export interface ContextInit {
  readonly caller?: Partial<Caller>;
  readonly credential?: unknown;
  readonly signal?: AbortSignal;
  /** Answers questions. A question without an answer parks: its call rejects. */
  readonly answer?: (question: ToolQuestion<unknown>) => unknown;
  /** Values of effects, as they outlast an attempt. */
  readonly kept?: Map<string, unknown>;
}

/** A context of a tool's call outside of a planner, with what was told to its reader. */
export interface TestContext extends ToolContext<never> {
  readonly told: Json[];
  readonly questions: ToolQuestion<unknown>[];
}

export const alice: Caller = { tenant: "acme", user: "alice", runId: "run-1" };

/** The error of a parked call. */
export class Parked extends Error {}

/** Creates the context of a call. Questions are checked against their schema, effects run once. */
export function toolContext(init: ContextInit = {}): TestContext {
  const told: Json[] = [];
  const questions: ToolQuestion<unknown>[] = [];
  const kept = init.kept ?? new Map<string, unknown>();
  return {
    callId: "1.0",
    idempotencyKey: "key",
    attempt: 1,
    caller: { ...alice, ...init.caller },
    signal: init.signal ?? new AbortController().signal,
    credential: init.credential,
    resources: undefined as never,
    left: DEFAULT_BUDGET,
    told,
    questions,
    progress: async (data) => void told.push(data),
    async ask<Value>(question: ToolQuestion<Value>): Promise<Value> {
      questions.push(question);
      const answer = init.answer?.(question);
      if (answer === undefined) throw new Parked("parked");
      const result = await question.schema["~standard"].validate(answer);
      if (result.issues !== undefined) throw new TypeError(result.issues[0]?.message);
      return result.value;
    },
    async once<Value>(key: string, run: (effectKey: string) => Value | Promise<Value>): Promise<Value> {
      if (!kept.has(key)) kept.set(key, structuredClone(await run(key)));
      return kept.get(key) as Value;
    },
    run: () => Promise.reject(new Error("no planners here")),
    call: () => Promise.reject(new Error("no flows here")),
  };
}
