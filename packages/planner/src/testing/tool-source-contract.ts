import type { ContractCase } from "penguiflow/testing";
import { DEFAULT_BUDGET } from "../plan/budget.ts";
import type { Caller } from "../plan/caller.ts";
import type { Json } from "../plan/json.ts";
import type { ToolOutput } from "../plan/tool-output.ts";
import type { ToolSource } from "../tools/source.ts";
import type { Tool, ToolContext } from "../tools/tool.ts";
import { differencesOf } from "./differences.ts";
import { CREDENTIALS, FAILURE, type ServedTool, ServedTools } from "./served-tools.ts";

/** A source, and what it needs to be closed. */
export interface TestedSource {
  readonly source: ToolSource;
  /** Called at the end of the case, after the source was closed. @defaultValue does nothing */
  readonly close?: () => void | Promise<void>;
}

/** Options of {@link toolSourceContract}. */
export interface ToolSourceContract {
  /** Starts a server with these tools, and makes a source that reaches it. */
  readonly make: (tools: readonly ServedTool[]) => TestedSource | Promise<TestedSource>;
}

/**
 * Returns the rules of the `ToolSource` port, for authors of adapters. Each case has its own server.
 *
 * @example
 * ```ts
 * const make = async (tools) => ({ source: mySource("it", await serve(tools)) });
 * for (const { name, run } of toolSourceContract({ make })) test(name, run);
 * ```
 */
export function toolSourceContract(options: ToolSourceContract): ContractCase[] {
  return Object.entries(rules).map(([name, rule]) => ({
    name,
    run: async () => {
      const served = new ServedTools();
      const { source, close } = await options.make(served.tools);
      try {
        await inTime(`"${name}"`, rule({ source, served }));
      } finally {
        await source.close?.();
        await close?.();
      }
    },
  }));
}

interface Tested {
  readonly source: ToolSource;
  readonly served: ServedTools;
}

type Rule = (tested: Tested) => Promise<void>;
type Credential = keyof typeof CREDENTIALS;

const [ADA, BOB] = Object.keys(CREDENTIALS) as [Credential, Credential];
const PATIENCE_MS = 5_000;

const rules: Readonly<Record<string, Rule>> = {
  async "lists the tools of its server, with description and schema as they are there"({ source, served }) {
    const tools = await list(source);
    for (const { name, description, inputSchema } of served.tools) {
      const { description: told, inputSchema: schema } = toolIn(tools, name);
      require(told.includes(
        description,
      ), `The description of "${name}" must have "${description}" in it: got "${told}"`);
      const { properties, required } = inputSchema;
      requireSame(`The schema of "${name}"`, pick(schema, required), {
        type: "object",
        properties,
        ...(required !== undefined && { required }),
      });
    }
    const names = tools.map(({ name }) => name);
    requireSame("The names", names, [...new Set(names)]);
    for (const name of names) {
      const full = source.name === "" ? name : `${source.name}_${name}`;
      require(/^[A-Za-z0-9_-]{1,64}$/.test(full), `The name "${full}" must be 1 to 64 of A-Z a-z 0-9 _ -`);
    }
  },
  async "lists the same twice"({ source }) {
    requireSame("The second list", plain(await list(source)), plain(await list(source)));
  },
  async "gives tools limits that can be held, and what writes no second try"({ source }) {
    for (const { name, effects, timeoutMs, maxRetries, maxResultChars } of await list(source)) {
      require(["reads", "idempotent", "writes"].includes(effects), `"${name}" has effects "${effects}"`);
      require(timeoutMs > 0, `"timeoutMs" of "${name}" must be more than 0: got ${timeoutMs}`);
      require(Number.isInteger(maxRetries) && maxRetries >= 0, `"maxRetries" of "${name}" must be a whole number`);
      require(effects !== "writes" ||
        maxRetries === 0, `"maxRetries" of "${name}", which writes, must be 0: got ${maxRetries}`);
      require(maxResultChars > 0, `"maxResultChars" of "${name}" must be more than 0: got ${maxResultChars}`);
    }
  },
  async "brings arguments there and results back unchanged, and leaves out what is not set"({ source }) {
    const tool = toolIn(await list(source), "echo");
    for (const args of [
      { text: "ü ✓ '\"\n", mode: "loud", count: 2, place: { city: "Rome", tags: ["a", "b"] } },
      { text: "" },
      { text: '{"a":1}', place: { city: "" } },
    ]) {
      requireSame("The result of echo", valueOf(await call(tool, args)), args);
    }
  },
  async "runs no tool with arguments that do not fit, and says what is wrong with them"({ source }) {
    const tool = toolIn(await list(source), "echo");
    const checked = await tool.check({ text: 7 });
    const problem = checked.ok ? wordsOf(await settled(run(tool, checked.value))) : checked.problem;
    require(problem.includes("text"), `The problem must name "text": got "${problem}"`);
  },
  async "tells the failure of a tool in its words, and does not try again by itself"({ source, served }) {
    const words = wordsOf(await settled(call(toolIn(await list(source), "print"), { text: "x" })));
    require(words.includes(FAILURE), `The failure must have "${FAILURE}" in it: got "${words}"`);
    requireSame("The number of calls", served.failures, 1);
  },
  async "ends a call when its signal aborts, and its server hears of it"({ source, served }) {
    const tool = toolIn(await list(source), "wait");
    const abort = new AbortController();
    const ended = settled(call(tool, {}, ADA, abort.signal));
    await until("the call has begun", () => served.waiting === 1);
    abort.abort(new Error("given up"));
    const { output } = await inTime("A call that was aborted", ended);
    require(output === undefined || output.kind === "error", `A call that was aborted must not succeed`);
    await until("the server has heard", () => served.abandoned === 1);
  },
  async "ends a list whose signal is aborted"({ source }) {
    await inTime("A list that was aborted", settled(list(source, ADA, AbortSignal.abort(new Error("given up")))));
  },
  async "makes each call with the credential of its caller, also side by side"({ source }) {
    const [ofAda, ofBob] = await Promise.all([list(source, ADA), list(source, BOB)]);
    const calls = Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? ADA : BOB));
    const results = await Promise.all(
      calls.map((credential) => call(toolIn(credential === ADA ? ofAda : ofBob, "whoami"), {}, credential)),
    );
    requireSame(
      "The names",
      results.map(valueOf),
      calls.map((credential) => ({ name: CREDENTIALS[credential] })),
    );
    // a tool that is listed for one caller may be called for another
    requireSame("The name", valueOf(await call(toolIn(ofAda, "whoami"), {}, BOB)), { name: CREDENTIALS[BOB] });
  },
  async "has no credential in what it lists, returns and throws"({ source }) {
    const tools = await list(source);
    const told: unknown[] = [plain(tools)];
    for (const name of ["whoami", "print", "echo"]) {
      const { output, error } = await settled(call(toolIn(tools, name), { text: "x" }));
      told.push(output, describe(error));
    }
    for (const credential of [ADA, BOB]) {
      require(!JSON.stringify(told).includes(credential), "A credential must not be in a list, a result or an error");
    }
  },
  async "gives calls side by side their own results"({ source }) {
    const tool = toolIn(await list(source), "echo");
    const texts = Array.from({ length: 20 }, (_, index) => `call ${index}`);
    const results = await Promise.all(texts.map((text) => call(tool, { text })));
    requireSame(
      "The results",
      results.map(valueOf),
      texts.map((text) => ({ text })),
    );
  },
  async "closes, also twice"({ source }) {
    await list(source);
    for (let time = 0; time < 2; time += 1) await source.close?.();
  },
};

function callerOf(credential: Credential): Caller {
  return { tenant: "acme", user: CREDENTIALS[credential], runId: "run" };
}

function list(
  source: ToolSource,
  credential: Credential = ADA,
  signal = new AbortController().signal,
): Promise<readonly Tool[]> {
  return source.list({ caller: callerOf(credential), credential, signal });
}

/** Checks the arguments and runs the tool, as a planner does. */
async function call(tool: Tool, args: Json, credential?: Credential, signal?: AbortSignal): Promise<ToolOutput> {
  const checked = await tool.check(args);
  if (!checked.ok) throw new Error(`The arguments of "${tool.name}" must fit: ${checked.problem}`);
  return await run(tool, checked.value, credential, signal);
}

let calls = 0;

function run(
  tool: Tool,
  args: unknown,
  credential: Credential = ADA,
  signal = new AbortController().signal,
): Promise<ToolOutput> {
  calls += 1;
  const unused = (): never => {
    throw new Error("The contract has no flows and no people");
  };
  const ctx: ToolContext = {
    callId: `1.${calls}`,
    idempotencyKey: `contract-${calls}`,
    attempt: 1,
    caller: callerOf(credential),
    signal,
    credential,
    resources: {},
    left: DEFAULT_BUDGET,
    progress: () => Promise.resolve(),
    ask: unused,
    once: async (key, effect) => await effect(key),
    call: unused,
    run: unused,
  };
  return tool.run(args, ctx as ToolContext<never>);
}

function toolIn(tools: readonly Tool[], name: string): Tool {
  const found = tools.find((tool) => tool.name === name);
  if (found === undefined)
    throw new Error(`There must be a tool "${name}": got ${tools.map((tool) => tool.name).join(", ")}`);
  return found;
}

/** Reads the JSON of a result, in whichever form it is. */
function valueOf(output: ToolOutput): unknown {
  switch (output.kind) {
    case "json":
      return output.value;
    case "text":
      return JSON.parse(output.text);
    case "content":
      return JSON.parse(output.parts.map((part) => (part.type === "text" ? part.text : "")).join(""));
    case "error":
    case "denied":
    case "unknown":
      throw new Error(`The call must succeed: got ${JSON.stringify(output)}`);
  }
}

interface Settled {
  readonly output?: ToolOutput;
  readonly error?: unknown;
}

async function settled(work: Promise<unknown>): Promise<Settled> {
  try {
    return { output: (await work) as ToolOutput };
  } catch (error) {
    return { error };
  }
}

/** Returns what a failed call says; a call that succeeds is no failure. */
function wordsOf({ output, error }: Settled): string {
  if (output === undefined) return describe(error);
  require(output.kind === "error", `The call must fail: got ${JSON.stringify(output)}`);
  return output.kind === "error" ? output.text : "";
}

/** Returns everything that an error says, its own properties and causes included. */
function describe(error: unknown): string {
  const seen = new Set<unknown>();
  const told = JSON.stringify(error, (_, value: unknown) => {
    if (typeof value !== "object" || value === null) return value;
    if (seen.has(value)) return undefined;
    seen.add(value);
    if (!(value instanceof Error)) return value;
    const fields = value as unknown as Readonly<Record<string, unknown>>;
    return Object.fromEntries(Object.getOwnPropertyNames(value).map((key) => [key, fields[key]]));
  });
  return told ?? String(error);
}

function plain(tools: readonly Tool[]): unknown {
  return JSON.parse(JSON.stringify(tools));
}

function pick(schema: Readonly<Record<string, unknown>>, required: unknown): unknown {
  const { type, properties } = schema;
  return { type, properties, ...(required !== undefined && { required: schema["required"] }) };
}

function requireSame(what: string, given: unknown, wanted: unknown): void {
  const [difference] = differencesOf(wanted, given, false);
  require(difference === undefined, `${what} must be as given: ${difference}`);
}

function require(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

async function inTime<Value>(what: string, work: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`Waited ${PATIENCE_MS} ms until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
