import type { LanguageModelV4, LanguageModelV4Prompt } from "@ai-sdk/provider";
import { type ArtifactStore, type FlowOptions, MemoryCheckpointStore, type Schema, systemClock } from "penguiflow";
import { requireKnownKeys } from "penguiflow/adapter";
import { durable } from "penguiflow/durable";
import { closeLog } from "./flow/close-log.ts";
import type { PlannerParts } from "./flow/parts.ts";
import type { Memory } from "./memory/thread-memory.ts";
import type { ModelSettings, Prices } from "./model/model-turn.ts";
import { defaultPrompt } from "./model/prompt.ts";
import type { PromptParts, StepInfo } from "./model/prompt-parts.ts";
import { DEFAULT_BUDGET, type PlanBudget, requireBudget } from "./plan/budget.ts";
import type { Caller } from "./plan/caller.ts";
import type { JsonSchema } from "./plan/json.ts";
import type { Policy } from "./plan/policy.ts";
import { Catalogue, type Credentials } from "./tools/catalogue.ts";
import { Gate } from "./tools/gate.ts";
import { jsonSchemaOf } from "./tools/json-schema.ts";
import type { ToolSource } from "./tools/source.ts";
import type { Tool } from "./tools/tool.ts";

/** A critic of a planner's answers: a model call that scores each by your criteria. */
export interface Critic {
  /** Criteria of a good answer, in words for the model that judges. */
  readonly criteria: string | readonly string[];
  /** Least score with which an answer is taken, from 0 to 1. */
  readonly threshold: number;
  /** Answers that are sent back before the last one is taken as it is. @defaultValue 1 */
  readonly revisions?: number | undefined;
  /** The model that judges. @defaultValue the planner's */
  readonly model?: LanguageModelV4 | undefined;
}

/** Options of `createPlanner`. */
export interface PlannerOptions<Tools extends readonly (Tool | ToolSource)[], Output> {
  /** Name of the planner and of its flow; in a durable planner also of its partition. */
  readonly name: string;
  /** The model, or a function that chooses one for each step. */
  readonly model: LanguageModelV4 | ((step: StepInfo) => LanguageModelV4);
  /** Task of the model, in words. @defaultValue none */
  readonly instructions?: string | ((caller: Caller, step: StepInfo) => string) | undefined;
  /** @defaultValue none */
  readonly tools?: Tools | undefined;
  /** Schema of the answer. What does not fit is asked for once more. @defaultValue the answer is text */
  readonly output?: Schema<unknown, Output> | undefined;
  /** JSON Schema of the answer, for an `output` that gives none. */
  readonly outputSchema?: JsonSchema | undefined;
  /** Limits of each run and of everything below it; those left out are as in `DEFAULT_BUDGET`. */
  readonly budget?: Partial<PlanBudget> | undefined;
  /**
   * Behaviour when a budget of model calls is used up: end the run, or make one more call without tools, whose text
   * stands in the end.
   *
   * @defaultValue `"stop"`
   */
  readonly onExhausted?: "stop" | "answer" | undefined;
  /** Memory of threads. @defaultValue none */
  readonly memory?: Memory | undefined;
  /** Decide about tools, calls, prompts, results and answers; the strictest verdict wins. @defaultValue none */
  readonly policy?: Policy | readonly Policy[] | undefined;
  /** Gives the credential of a caller at a source, for each call anew. @defaultValue none */
  readonly credentials?: Credentials | undefined;
  /** Makes the prompt of a step: a pure function of what it is given. @defaultValue `defaultPrompt` */
  readonly prompt?: ((given: PromptParts, step: StepInfo) => LanguageModelV4Prompt) | undefined;
  /** Whether the model calls tools by itself, or writes its calls as JSON text. @defaultValue `"native"` */
  readonly mode?: "native" | "json" | undefined;
  /** Unusable turns in a run that the model is told of before the run fails. @defaultValue 2 */
  readonly repairs?: number | undefined;
  /** Settings of model calls. @defaultValue the provider's */
  readonly settings?: ModelSettings | undefined;
  /** Milliseconds of a model call, which its reader may slow. A call that takes longer fails. @defaultValue 600_000 */
  readonly modelTimeoutMs?: number | undefined;
  /** Prices by model id, for `costUsd`. @defaultValue calls cost nothing */
  readonly prices?: Prices | undefined;
  /** Keeps results whole that are too long for the model. @defaultValue the model gets their beginning alone */
  readonly artifacts?: ArtifactStore | undefined;
  /** Judges answers, and asks for better ones. @defaultValue answers are taken as they are */
  readonly critic?: Critic | undefined;
  /** Options of the flow: durability, stores, instrument, clock. Its name is the planner's. */
  readonly flow?: Omit<FlowOptions, "name" | "allowCycles" | "closeLog"> | undefined;
}

const OPTIONS: readonly (keyof PlannerOptions<[], unknown>)[] = [
  "name",
  "model",
  "instructions",
  "tools",
  "output",
  "outputSchema",
  "budget",
  "onExhausted",
  "memory",
  "policy",
  "credentials",
  "prompt",
  "mode",
  "repairs",
  "settings",
  "modelTimeoutMs",
  "prices",
  "artifacts",
  "critic",
  "flow",
];

/** Number of ended runs whose trajectory can still be read. More of them would outlive collections of young objects. */
const KEPT_LOGS = 16;

/** Number of entries in the log of a run: more than any budget allows. */
const LOG_ITEMS = 100_000;

/**
 * Applies the defaults and checks the options.
 *
 * @throws TypeError, RangeError when an option is missing or out of range
 */
export function partsOf(options: PlannerOptions<readonly (Tool | ToolSource)[], unknown>): PlannerParts {
  requireKnownKeys("createPlanner", options, OPTIONS);
  const { name, model, instructions = "", policy = [], budget = {}, output, repairs = 2, mode = "native" } = options;
  const { onExhausted = "stop", modelTimeoutMs = 600_000 } = options;
  if (typeof name !== "string" || name.trim() === "")
    throw new TypeError(`Option "name" of a planner must be a text that is not empty: got ${JSON.stringify(name)}`);
  requireModel(name, model);
  requireBudget("budget", budget);
  if (!Number.isInteger(repairs) || repairs < 0)
    throw new RangeError(`Option "repairs" of planner "${name}" must be a whole number of 0 or more: got ${repairs}`);
  if (!(typeof modelTimeoutMs === "number" && modelTimeoutMs > 0))
    throw new RangeError(
      `Option "modelTimeoutMs" of planner "${name}" must be a number above 0: got ${String(modelTimeoutMs)}`,
    );
  requireOneOf(name, { onExhausted }, ["stop", "answer"]);
  requireOneOf(name, { mode }, ["native", "json"]);
  const catalogue = new Catalogue(options.tools ?? [], options.credentials);
  const policies = typeof policy === "function" ? [policy] : policy;
  return {
    name,
    model: typeof model === "function" ? model : () => model,
    instructions: typeof instructions === "function" ? instructions : () => instructions,
    catalogue,
    gate: new Gate(catalogue, policies),
    policies,
    output: output && {
      schema: output,
      jsonSchema: jsonSchemaOf(`the output of planner "${name}"`, output, options.outputSchema),
    },
    budget: { ...DEFAULT_BUDGET, ...budget },
    onExhausted,
    memory: options.memory,
    prompt: options.prompt ?? defaultPrompt,
    mode,
    repairs,
    settings: options.settings,
    modelTimeoutMs,
    prices: options.prices,
    artifacts: options.artifacts,
    critic: options.critic && criticOf(name, options.critic),
    clock: options.flow?.clock ?? systemClock,
  };
}

/** Returns the options of a planner's flow. */
export function flowOptionsOf({
  flow = {},
  tools = [],
}: PlannerOptions<readonly (Tool | ToolSource)[], unknown>): FlowOptions {
  const limits = { maxKeptLogs: KEPT_LOGS, maxLogItems: LOG_ITEMS, ...flow.limits };
  const runsFlows = tools.some((one) => "goesOn" in one && one.goesOn === true);
  // a flow that is not durable begins again after each question, with all that runs below it
  const durability = flow.durability ?? (runsFlows ? durable({ checkpoints: new MemoryCheckpointStore() }) : undefined);
  return {
    ...flow,
    limits,
    closeLog: closeLog(flow.clock ?? systemClock),
    ...(durability !== undefined && { durability }),
  };
}

function criticOf(planner: string, critic: Critic): NonNullable<PlannerParts["critic"]> {
  requireKnownKeys(`critic of planner "${planner}"`, critic, ["criteria", "threshold", "revisions", "model"]);
  const { threshold, revisions = 1, model } = critic;
  const criteria =
    typeof critic.criteria === "string" ? critic.criteria : critic.criteria.map((each) => `- ${each}`).join("\n");
  if (criteria.trim() === "")
    throw new TypeError(`Option "critic.criteria" of planner "${planner}" must have at least one criterion`);
  if (!(typeof threshold === "number" && threshold >= 0 && threshold <= 1))
    throw new RangeError(
      `Option "critic.threshold" of planner "${planner}" must be a number from 0 to 1: got ${String(threshold)}`,
    );
  if (!Number.isInteger(revisions) || revisions < 0)
    throw new RangeError(
      `Option "critic.revisions" of planner "${planner}" must be a whole number of 0 or more: got ${revisions}`,
    );
  if (model !== undefined) requireModel(planner, model);
  return { criteria, threshold, revisions, model };
}

function requireModel(planner: string, model: unknown): void {
  if (typeof model === "function") return;
  const version = (model as { readonly specificationVersion?: unknown } | null | undefined)?.specificationVersion;
  if (version === "v4") return;
  const got = typeof model === "object" && model !== null ? `one of version ${String(version)}` : JSON.stringify(model);
  throw new TypeError(`Option "model" of planner "${planner}" must be a language model of version v4: got ${got}`);
}

function requireOneOf(planner: string, given: Readonly<Record<string, string>>, allowed: readonly string[]): void {
  for (const [option, value] of Object.entries(given))
    if (!allowed.includes(value))
      throw new TypeError(
        `Option "${option}" of planner "${planner}" must be one of ${allowed.join(", ")}: got ${JSON.stringify(value)}`,
      );
}
