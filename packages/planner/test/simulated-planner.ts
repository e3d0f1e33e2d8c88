import { createHash } from "node:crypto";
import type { LanguageModelV4Prompt } from "@ai-sdk/provider";
import {
  type Answerer,
  type BareEnd,
  createPlanner,
  type Decision,
  NothingDone,
  type PlanInput,
  type Policy,
  type PromptParts,
  type StepInfo,
  tool,
  type ToolContext,
  type ToolSource,
} from "@penguiflow/planner";
import { type ScriptedAnswer, type ScriptedTurn, scriptedModel } from "@penguiflow/planner/testing";
import { type CheckpointStore, type Clock, type PauseTicket, type Random, seededRandom } from "penguiflow";
import { durable } from "penguiflow/durable";
import {
  simulate,
  type SimulationReport,
  type SimulatedRequest,
  type SimulatedSignal,
  type SimulationPorts,
  type SimulationTools,
} from "penguiflow/testing";
import { z } from "zod";
import { questionOf } from "../src/flow/people.ts";
import { brokenPrompt } from "./broken-prompt.ts";
import { modelOf, type PlannedDefect, promptOf, readingStore, wrapStore, writingStore } from "./simulated-defects.ts";
import { type ModelSaid, PromptRules, StoredRules } from "./simulated-rules.ts";

/** Limits of every run; a planner below has its own. */
const BUDGET = { steps: 6, toolCalls: 9 } as const;

const BELOW_STEPS = 3;

/** Arguments of a call: its key, unique in all runs of a seed, and how it goes. */
const ARGS = z.object({
  key: z.string(),
  turn: z.string(),
  of: z.number(),
  mood: z.enum(["well", "fails", "once", "nothing", "slow", "hangs"]),
  edited: z.boolean().optional(),
});
type Args = z.infer<typeof ARGS>;

/** Something that the planner has done, in order. */
interface Noted {
  readonly what: "checked" | "run";
  readonly tool: string;
  readonly args: Args;
  /** Tenant and id of the run. */
  readonly run: string;
  readonly user: string | undefined;
}

const WRITES: ReadonlySet<string> = new Set(["write", "sign", "ask"]);

/** Milliseconds after which the runtime takes a tool for lost. */
const TIMEOUT_MS = 100;

/** Milliseconds for which a tool that has failed is not to be called again. */
const RETRY_AFTER_MS = 70;

/** Attempts of a call that may be repeated, in one process. */
const MOST_ATTEMPTS = 3;

/** Everything that a simulated planner does, and what is wrong with it. */
export class Notes {
  readonly broken: string[] = [];
  /** Prompts of the model, in order. */
  readonly prompts: string[] = [];
  readonly noted: Noted[] = [];
  /** Answers that people gave, by the key of the call. */
  readonly decisions = new Map<string, Decision[]>();
  /** Keys of calls that failed and had done nothing. */
  readonly nothingDone = new Set<string>();
  /** Attempts in this process, and when the last of them has failed, by the key of the call. */
  attempts = new Map<string, { count: number; failedAt?: number }>();
  readonly stored = new StoredRules((what) => this.broken.push(what));
  readonly rules = new PromptRules(this.stored, (what) => this.broken.push(what));
  isDurable = false;
  /** Kinds of what has happened, with their numbers. */
  readonly counts = new Map<string, number>();

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

/** Makes random numbers of a text. */
function randomOf(seed: number, text: string): Random {
  let hash = Math.imul(seed, 0x9e3779b1);
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return seededRandom(hash);
}

/** Makes the answer of the model: a function of its prompt and the seed alone. */
function answerTo(seed: number, prompt: LanguageModelV4Prompt, below: boolean): ScriptedTurn {
  const text = JSON.stringify(prompt);
  const random = randomOf(seed, text);
  const chance = (part: number): boolean => random() < part;
  const pick = <const Item>(...items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  if (chance(0.03)) return Object.assign(new Error("The provider is busy"), { statusCode: 503, isRetryable: true });
  if (chance(0.02)) return Object.assign(new Error("The provider refuses"), { statusCode: 400, isRetryable: false });
  if (chance(0.03)) return { text: "cut", cut: true };
  if (chance(0.03)) return { text: "cut", finish: pick("length", "content-filter") };
  if (chance(0.03)) return { text: "" };
  if (chance(0.25)) return { text: `answer ${Math.floor(random() * 1e6)}`, finish: pick("stop", "other") };
  const turn = `${text.length}.${Math.floor(random() * 1e9)}`;
  const of = 1 + Math.floor(random() * 4);
  const calls = Array.from({ length: of }, (_, index) => {
    const name = pick(
      "lib_look",
      "lib_look",
      "put",
      "write",
      "write",
      "sign",
      "ask",
      "gone_look",
      "render",
      "none",
      below ? "put" : "plan",
    );
    const mood = pick("well", "well", "well", "fails", "once", "nothing", "slow", "hangs");
    const args: Args = { key: `${turn}.${index}`, turn, of, mood };
    // ids repeat between turns, as those of some providers do
    return { tool: name, id: `call-${index}`, args: chance(0.05) ? pick("{", "[1]", "") : args };
  });
  const signature = { type: "reasoning", text: "I think", providerMetadata: { sim: { sign: turn } } } as const;
  // of a kind that is not known yet
  const novelty = { type: "novelty", id: turn } as never;
  return {
    content: [...(chance(0.5) ? [signature] : []), ...(chance(0.2) ? [novelty] : [])],
    calls,
    finish: pick("tool-calls", "stop", "other"),
    ...(chance(0.3) && { text: "I look" }),
  };
}

/** Simulates a planner, with a defect if one is planted. `onRun` is given what each run of a seed has done. */
export async function simulatePlanner(
  seeds: readonly number[],
  onRun: (notes: Notes) => void = () => {},
  defect?: PlannedDefect,
): Promise<SimulationReport> {
  let notes = new Notes();
  const { subtle } = crypto;
  // digests are made by another thread, whose time is not virtual
  subtle.digest = async (_, data) =>
    new Uint8Array(
      createHash("sha256")
        .update(data as Uint8Array)
        .digest(),
    ).buffer;
  try {
    return await simulate<PlanInput, BareEnd>({
      seeds,
      requests: 4,
      flow: (ports, tools) => simulatedFlow(notes, ports, tools, defect),
      input: simulatedInput,
      answer: (pause, random) => simulatedAnswer(notes, pause, random),
      signals: simulatedSignals,
      check: (requests) => {
        const broken = brokenRules(notes, requests);
        onRun(notes);
        notes = new Notes();
        if (broken.length > 0) throw new Error(broken.join("; "));
      },
    });
  } finally {
    Reflect.deleteProperty(subtle, "digest");
  }
}

/** Makes the flow of a planner with tools of every kind, a planner below, and a policy. */
function simulatedFlow(
  notes: Notes,
  ports: SimulationPorts,
  { seed, checkpoints }: SimulationTools,
  defect: PlannedDefect | undefined,
) {
  const { clock } = ports;
  notes.rules.restarted();
  notes.attempts = new Map();
  const makePrompt = promptOf(defect);
  const planPrompt = (given: PromptParts, step: StepInfo): LanguageModelV4Prompt => {
    const made = makePrompt(given);
    notes.rules.made(given, step, [made, makePrompt(given)]);
    return made;
  };
  const model = (below: boolean) =>
    scriptedModel(({ prompt }) => {
      notes.prompts.push(JSON.stringify(prompt));
      notes.rules.read(prompt);
      for (const broken of brokenPrompt(prompt)) notes.broken.push(`P2: ${broken}`);
      const turns = prompt.filter(({ role }) => role === "assistant").length;
      if (turns > (below ? BELOW_STEPS : BUDGET.steps))
        notes.broken.push(`P7: the model is asked after ${turns} turns`);
      const said = prompt.flatMap(({ role, content }) => (role === "user" ? content : []));
      const steered = said.flatMap((part) =>
        part.type === "text" && part.text.startsWith("steer") ? [part.text] : [],
      );
      // requests with ids are delivered again with their signals
      if (seed % 5 < 4 && new Set(steered).size < steered.length)
        notes.broken.push(`the model hears twice: ${steered.join(", ")}`);
      const turn = answerTo(seed, prompt, below);
      notes.count(turn instanceof Error ? "model failures" : "model turns");
      if (typeof turn === "object" && !(turn instanceof Error)) notes.rules.said(prompt, saidIn(turn));
      return turn;
    });
  const policy: Policy = (call) => {
    if (call.at !== "call") return "allow";
    const args = ARGS.safeParse(call.args);
    if (!args.success) return "allow";
    const { tenant, runId, user } = call.caller;
    notes.noted.push({ what: "checked", tool: call.tool.name, args: args.data, run: `${tenant}/${runId}`, user });
    const random = randomOf(seed, args.data.key);
    return random() < 0.1 ? { deny: "the policy says no" } : "allow";
  };
  const toolsOf = (place: string) => {
    const run =
      (name: string) =>
      async (args: Args, ctx: ToolContext): Promise<string> => {
        const { tenant, runId, user } = ctx.caller;
        notes.noted.push({ what: "run", tool: name, args, run: `${tenant}/${runId}${place}`, user });
        const attempt = notes.attempts.get(args.key) ?? { count: 0 };
        notes.attempts.set(args.key, attempt);
        attempt.count += 1;
        if (attempt.count > MOST_ATTEMPTS)
          notes.broken.push(`P15: call ${args.key} of "${name}" is repeated too often`);
        if (attempt.failedAt !== undefined && clock.now() < attempt.failedAt + RETRY_AFTER_MS)
          notes.broken.push(`P15: call ${args.key} of "${name}" is repeated too early`);
        await passing(clock, args.mood === "slow" ? TIMEOUT_MS / 2 : args.mood === "hangs" ? TIMEOUT_MS * 10 : 1);
        if (args.mood === "fails") throw new Error("The tool fails");
        if (args.mood === "nothing" && ctx.attempt === 1) {
          notes.nothingDone.add(args.key);
          throw new NothingDone("It was not there");
        }
        if (args.mood === "once" && ctx.attempt === 1) {
          attempt.failedAt = clock.now();
          throw Object.assign(new Error("It is busy"), defect !== "hasty-retries" && { retryAfterMs: RETRY_AFTER_MS });
        }
        return `done ${args.key}`;
      };
    const common = { description: "A tool", input: ARGS, timeoutMs: TIMEOUT_MS };
    const look = tool({ ...common, name: "look", effects: "reads", run: run("look") });
    const gone: ToolSource = {
      name: "gone",
      list: async () => {
        if (seed % 3 > 0) throw new Error("The source cannot be reached");
        return [look];
      },
    };
    return [
      { name: "lib", tools: [look], concurrency: 2, list: async () => [look] } satisfies ToolSource,
      gone,
      tool({ ...common, name: "put", effects: "idempotent", run: run("put") }),
      tool({ ...common, name: "render", effects: "reads", background: true, run: run("render") }),
      tool({
        ...common,
        name: "write",
        effects: defect === "repeated-writes" ? "idempotent" : "writes",
        maxRetries: 2,
        run: run("write"),
      }),
      tool({ ...common, name: "sign", effects: "writes", approval: { expiresInMs: 5_000 }, run: run("sign") }),
      tool({
        ...common,
        name: "ask",
        effects: "writes",
        run: async (args, ctx) => {
          const said = await ctx.ask({ reason: "What?", schema: z.string() });
          return `${await run("ask")(args, ctx)} as ${said}`;
        },
      }),
    ];
  };
  const { random, scheduler } = ports;
  const below = createPlanner({
    name: "below",
    model: model(true),
    prompt: planPrompt,
    tools: toolsOf("/below"),
    policy,
    budget: { steps: BELOW_STEPS },
    flow: { clock, random, scheduler },
  });
  const plan =
    defect === "foreign-users"
      ? tool({
          name: "plan",
          description: "Plans",
          input: ARGS,
          effects: "idempotent",
          run: async (args, ctx) => {
            const end = await ctx.call(below.flow, { prompt: JSON.stringify(args), user: "mallory", path: ["below"] });
            return end.status;
          },
        })
      : below.tool({ name: "plan", description: "Plans", input: ARGS });
  const isDurable = seed % 2 === 0;
  notes.isDurable = isDurable;
  return createPlanner({
    name: "top",
    model: modelOf(model(false), defect),
    prompt: planPrompt,
    // one that runs planners below is durable by itself
    tools: isDurable ? [...toolsOf(""), plan] : toolsOf(""),
    policy,
    budget: BUDGET,
    onExhausted: seed % 5 === 0 ? "answer" : "stop",
    flow: {
      ...ports,
      limits: { maxKeptLogs: isDurable ? 100 : 0 },
      ...(isDurable && { durability: durable({ checkpoints: watched(notes, checkpoints, defect) }) }),
    },
  }).flow;
}

/** Returns what a turn of the model says. */
function saidIn({ calls = [], text = "", content = [] }: ScriptedAnswer): ModelSaid {
  const args = calls.flatMap((call) => (typeof call.args === "object" ? [call.args as Partial<Args>] : []));
  return {
    turn: args.find(({ turn }) => turn !== undefined)?.turn ?? "",
    keys: args.flatMap(({ key }) => (key === undefined ? [] : [key])),
    calls: calls.length,
    text,
    isSigned: content.some(({ type }) => type === "reasoning"),
  };
}

/** Wraps the checkpoint store, so that the rules see what it stores. */
function watched({ stored }: Notes, store: CheckpointStore, defect: PlannedDefect | undefined): CheckpointStore {
  const watching = wrapStore(readingStore(store, defect), (partition) => ({
    append: (batch, sequence) => {
      const { put, logs = [] } = batch;
      stored.asked(put, logs);
      const storing = partition.append(batch, sequence);
      storing.then(
        () => stored.stored(logs),
        () => {},
      );
      return storing;
    },
  }));
  return writingStore(watching, defect);
}

/** Resolves after some virtual milliseconds. */
async function passing(clock: Clock, ms: number): Promise<void> {
  await new Promise<void>((resolve) => void clock.setTimer(resolve, ms));
}

/** Makes the input of a run. */
function simulatedInput(random: Random, index: number): PlanInput {
  const user = random() < 0.5 ? undefined : `user-${Math.floor(random() * 3)}`;
  return { prompt: `Job ${index} ${Math.floor(random() * 1e6)}`, user, streams: random() < 0.3 };
}

/** Answers a question of a run. */
function simulatedAnswer(notes: Notes, ticket: PauseTicket, random: Random): object {
  const { kind, args, path } = questionOf(ticket);
  const given = args as Args;
  notes.rules.asked(given.key, path);
  const decision: Decision =
    kind === "input"
      ? { value: "people say" }
      : random() < 0.3
        ? { approved: false, reason: "no" }
        : { approved: true, ...(random() < 0.3 && { args: { ...given, edited: true } }) };
  notes.decisions.set(given.key, [...(notes.decisions.get(given.key) ?? []), decision]);
  notes.count(kind);
  return { decision, by: "ada" } satisfies Pick<Answerer, "by"> & { decision: Decision };
}

/** Makes the messages by which people steer a run. */
function simulatedSignals(random: Random, index: number): SimulatedSignal[] {
  if (random() > 0.3) return [];
  const text = `steer ${index}.${Math.floor(random() * 1e6)}`;
  return [{ name: "planner.steer", value: { parts: [{ type: "text", text }], by: "bo" } }];
}

/** Finds what a simulated planner has done against its rules. */
function brokenRules(notes: Notes, requests: readonly SimulatedRequest<PlanInput, BareEnd>[]): string[] {
  for (const { tenant, traceId, input, results } of requests)
    for (const end of results) {
      notes.stored.told(`${tenant}/${traceId}`, end.status);
      if (end.status === "completed") notes.rules.completed(input.prompt as string, end.output);
    }
  return [
    ...notes.broken,
    ...brokenCalls(notes),
    ...brokenCallers(notes, requests),
    ...requests.flatMap(({ traceId, results }) => results.flatMap((end) => [...brokenEnd(traceId, end)])),
  ];
}

function* brokenCalls({ noted, decisions, nothingDone }: Notes): Generator<string> {
  const runs = new Map<string, number>();
  const begun = new Set<string>();
  const checked = new Set<string>();
  for (const { what, tool: name, args } of noted) {
    const { key, turn, edited = false } = args;
    if (what === "checked") {
      if (begun.has(turn) && !checked.has(key)) yield `P3: call ${key} is checked when another of its turn has begun`;
      checked.add(key);
      continue;
    }
    begun.add(turn);
    if (!checked.has(key)) yield `P4: call ${key} of "${name}" runs, and no policy has seen it`;
    runs.set(key, (runs.get(key) ?? 0) + 1);
    const most = nothingDone.has(key) ? 2 : 1;
    if (WRITES.has(name) && (runs.get(key) as number) > most)
      yield `P1: call ${key} of "${name}" has begun ${runs.get(key)} times`;
    if (name !== "sign") continue;
    const answers = decisions.get(key) ?? [];
    if (!answers.some((each) => "approved" in each && each.approved && edited === (each.args !== undefined)))
      yield `P5: call ${key} runs ${edited ? "edited" : "as it was"} after ${JSON.stringify(answers)}`;
  }
}

function* brokenCallers(
  { noted, isDurable }: Notes,
  requests: readonly SimulatedRequest<PlanInput, BareEnd>[],
): Generator<string> {
  for (const { tenant, traceId, input } of requests) {
    const own = noted.filter(({ run }) => run === `${tenant}/${traceId}`);
    const other = own.find(({ user }) => user !== input.user);
    const below = noted.find(({ run, user }) => run === `${tenant}/${traceId}/below` && user !== input.user);
    if (below !== undefined) yield `P17: a call below ${traceId} is made for ${below.user} in place of ${input.user}`;
    if (other !== undefined) yield `P9: a call of ${traceId} is made for ${other.user} in place of ${input.user}`;
    const keys = new Set(own.flatMap(({ what, args }) => (what === "run" ? [args.key] : [])));
    // after a crash a call that was not stored may be made again, of another turn
    if (!isDurable && keys.size > BUDGET.toolCalls)
      yield `P7: ${traceId} has made ${keys.size} calls of ${BUDGET.toolCalls}`;
  }
}

function* brokenEnd(traceId: string, end: BareEnd): Generator<string> {
  if (end.status === "completed" && !/^answer \d+$/.test(end.output))
    yield `P6: ${traceId} counts as completed with ${JSON.stringify(end.output)}`;
  if (end.spent.steps > 0 && end.spent.tokens % 15 !== 0)
    yield `P7: ${traceId} has spent ${end.spent.tokens} tokens, in calls of 15`;
}
