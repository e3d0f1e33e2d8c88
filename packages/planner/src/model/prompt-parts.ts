import type { Caller } from "../plan/caller.ts";
import type { Turn } from "../plan/log-item.ts";
import type { Tool } from "../tools/tool.ts";

/** The parts of a prompt. Making one is a pure function of them. */
export interface PromptParts {
  readonly instructions: string;
  /** Tools that the model may call in this step, under the names it uses. */
  readonly tools: readonly Tool[];
  /** Earlier turns of the thread, oldest first, and a summary of those before. */
  readonly memory: { readonly summary?: string | undefined; readonly turns: readonly RememberedTurn[] };
  /** The run so far: the person's message first. */
  readonly turns: readonly Turn[];
}

/** A run of a thread, as it is remembered. */
export interface RememberedTurn {
  readonly runId: string;
  readonly user: string;
  readonly answer: string;
  /** Names of the tools that were called. */
  readonly tools: readonly string[];
}

/** The step for which a prompt, instructions or a model are asked. */
export interface StepInfo {
  /** From 1; 0 for a summary of the thread, which is made when a run begins. */
  readonly step: number;
  readonly caller: Caller;
  readonly path: readonly string[];
}
