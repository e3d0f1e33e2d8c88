import { createHash } from "node:crypto";
import type { LanguageModelV4Prompt } from "@ai-sdk/provider";
import {
  type Answerer,
  type BareEnd,
  createPlanner,
  type Decision,
  type PlanInput,
  type Policy,
  type Question,
  tool,
  type ToolContext,
  type ToolSource,
} from "@penguiflow/planner";
import { type ScriptedTurn, scriptedModel } from "@penguiflow/planner/testing";
import { type Clock, type PauseTicket, type Random, seededRandom } from "penguiflow";
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
import { brokenPrompt } from "./broken-prompt.ts";

/** Limits of every run; a planner below has its own. */
const BUDGET = { steps: 6, toolCalls: 9 } as const;

const BELOW_STEPS = 3;

/** Arguments of a call: its key, unique in all runs of a seed, and how it goes. */
const ARGS = z.object({
  key: z.string(),
  turn: z.string(),
  of: z.number(),
  mood: z.enum(["well", "fails", "once", "slow", "hangs"]),
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

/** Everything that a simulated planner does, and what is wrong with it. */
export class Notes {
  readonly broken: string[] = [];
  /** Prompts of the model, in order. */
  readonly prompts: string[] = [];
  readonly noted: Noted[] = [];
  /** Answers that people gave, by the key of the call. */
  readonly decisions = new Map<string, Decision[]>();
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
    const mood = pick("well", "well", "well", "fails", "once", "slow", "hangs");
    const args: Args = { key: `${turn}.${index}`, turn, of, mood };
    // ids repeat between turns, as those of some providers do
    return { tool: name, id: `call-${index}`, args: chance(0.05) ? pick("{", "[1]", "") : args };
  });
  return { calls, finish: pick("tool-calls", "stop", "other"), ...(chance(0.3) && { text: "I look" }) };
}

/** Simulates a planner. `onRun` is given what each run of a seed has done. */
export async function simulatePlanner(
  seeds: readonly number[],
  onRun: (notes: Notes) => void = () => {},
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
      flow: (ports, tools) => simulatedFlow(notes, ports, tools),
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
function simulatedFlow(notes: Notes, ports: SimulationPorts, { seed, checkpoints }: SimulationTools) {
  const { clock } = ports;
  const model = (below: boolean) =>
    scriptedModel(({ prompt }) => {
      notes.prompts.push(JSON.stringify(prompt));
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
        await passing(clock, args.mood === "slow" ? TIMEOUT_MS / 2 : args.mood === "hangs" ? TIMEOUT_MS * 10 : 1);
        if (args.mood === "fails" || (args.mood === "once" && ctx.attempt === 1)) throw new Error("The tool fails");
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
      tool({ ...common, name: "write", effects: "writes", maxRetries: 3, run: run("write") }),
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
    tools: toolsOf("/below"),
    policy,
    budget: { steps: BELOW_STEPS },
    flow: { clock, random, scheduler },
  });
  const plan = below.tool({ name: "plan", description: "Plans", input: ARGS });
  const isDurable = seed % 2 === 0;
  notes.isDurable = isDurable;
  return createPlanner({
    name: "top",
    model: model(false),
    // one that runs planners below is durable by itself
    tools: isDurable ? [...toolsOf(""), plan] : toolsOf(""),
    policy,
    budget: BUDGET,
    onExhausted: seed % 5 === 0 ? "answer" : "stop",
    flow: {
      ...ports,
      limits: { maxKeptLogs: 0 },
      ...(isDurable && { durability: durable({ checkpoints }) }),
    },
  }).flow;
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
function simulatedAnswer(notes: Notes, { payload }: PauseTicket, random: Random): object {
  const { kind, args } = payload as Pick<Question, "kind" | "args">;
  const given = args as Args;
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
  return [
    ...notes.broken,
    ...brokenCalls(notes),
    ...brokenCallers(notes, requests),
    ...requests.flatMap(({ traceId, results }) => results.flatMap((end) => [...brokenEnd(traceId, end)])),
  ];
}

function* brokenCalls({ noted, decisions }: Notes): Generator<string> {
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
    if (WRITES.has(name) && runs.get(key) !== 1) yield `P1: call ${key} of "${name}" has begun ${runs.get(key)} times`;
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
