import type { Schema } from "penguiflow";
import { requireKnownKeys } from "penguiflow/adapter";
import type { Json, JsonSchema } from "../plan/json.ts";
import type { ToolOutput } from "../plan/tool-output.ts";
import { checkAgainst, jsonSchemaOf } from "./json-schema.ts";
import type { Effects, Tool, ToolContext, ToolInit } from "./tool.ts";

const NAME = /^[\w-]{1,64}$/;
const EFFECTS: ReadonlySet<Effects> = new Set(["reads", "idempotent", "writes"]);

const OPTIONS = [
  "name",
  "description",
  "input",
  "jsonSchema",
  "secrets",
  "output",
  "effects",
  "approval",
  "timeoutMs",
  "maxRetries",
  "ifUnknown",
  "maxResultChars",
  "background",
  "toModel",
  "run",
];

/** Output that does not fit the schema of its tool. */
export class OutputInvalid extends Error {
  override readonly name: string = "OutputInvalid";
  /** Whether the same call may succeed later. */
  readonly retryable: boolean = false;
}

/**
 * The error of a tool that writes and knows that nothing has happened: such as a refused connection. The call may be
 * tried again then.
 */
export class NothingDone extends Error {
  override readonly name: string = "NothingDone";
}

/**
 * Makes a tool that a planner can call.
 *
 * @example
 * ```ts
 * const search = tool({
 *   name: "search",
 *   description: "Finds pages",
 *   input: z.object({ query: z.string() }),
 *   effects: "reads",
 *   run: ({ query }, { signal }) => find(query, signal),
 * });
 * ```
 * @throws TypeError, RangeError when a field is missing or out of range
 */
export function tool<const Name extends string, In extends Schema<unknown, unknown>, Out, Resources = unknown>(
  init: ToolInit<Name, In, Out, Resources>,
): Tool<Name> {
  return makeTool(init, false);
}

/** Makes a tool; `goesOn` says whether its calls go on by themselves after they were cut off. */
export function makeTool<const Name extends string, In extends Schema<unknown, unknown>, Out, Resources>(
  init: ToolInit<Name, In, Out, Resources>,
  goesOn: boolean,
): Tool<Name> {
  requireKnownKeys(`tool "${init.name}"`, init, OPTIONS);
  const { name, description, effects, approval = false, ifUnknown = "tell", background = false } = init;
  requireName(name);
  if (typeof description !== "string" || description === "")
    throw new TypeError(`Option "description" of tool "${name}" must be a text that is not empty`);
  if (!EFFECTS.has(effects))
    throw new TypeError(
      `Option "effects" of tool "${name}" must be "reads", "idempotent" or "writes": got ${JSON.stringify(effects)}`,
    );
  if (typeof background !== "boolean")
    throw new TypeError(`Option "background" of tool "${name}" must be a boolean: got ${JSON.stringify(background)}`);
  const timeoutMs = init.timeoutMs ?? (goesOn ? Number.POSITIVE_INFINITY : 30_000);
  const maxRetries = init.maxRetries ?? (effects === "writes" || goesOn ? 0 : 2);
  const maxResultChars = init.maxResultChars ?? 20_000;
  requireLeast(name, { timeoutMs, maxResultChars }, 1);
  requireLeast(name, { maxRetries }, 0);
  const input: Schema<unknown, unknown> = init.input;
  const inputSchema = jsonSchemaOf(`the input of tool "${name}"`, input, init.jsonSchema);
  const { secrets } = init;
  if (secrets !== undefined) requireSecrets(name, secrets, inputSchema, goesOn);
  const { toModel = (value: Out): ToolOutput => outputOf(value), output } = init;
  const finish =
    output === undefined ? toModel : async (value: Out) => toModel((await checkedOutput(name, output, value)) as Out);
  return Object.freeze({
    name,
    description,
    inputSchema,
    ...(secrets !== undefined && { secrets: Object.freeze([...secrets]) }),
    effects,
    approval,
    timeoutMs,
    maxRetries,
    ifUnknown:
      typeof ifUnknown === "function"
        ? async (key: string) => {
            const found = await ifUnknown(key);
            return found === undefined ? undefined : toModel(found);
          }
        : ifUnknown,
    maxResultChars,
    background,
    goesOn,
    check: (args: Json) => checkAgainst(input, args),
    run: (args: unknown, ctx: ToolContext<never>): Promise<ToolOutput> => {
      try {
        const value = init.run(args as never, ctx);
        return value instanceof Promise ? value.then(finish) : Promise.resolve(finish(value));
      } catch (error) {
        return Promise.reject(error);
      }
    },
  });
}

/** Returns an output as its schema gives it. @throws OutputInvalid when it does not fit */
async function checkedOutput(name: string, schema: Schema<unknown, unknown>, value: unknown): Promise<unknown> {
  const checked = await checkAgainst(schema, value);
  if (checked.ok) return checked.value;
  throw new OutputInvalid(`The output of tool "${name}" does not fit its schema: ${checked.problem}`);
}

/**
 * Throws unless a name is one that all models accept.
 *
 * @throws TypeError
 */
export function requireName(name: unknown): asserts name is string {
  if (typeof name !== "string" || !NAME.test(name))
    throw new TypeError(
      `The name of a tool must be 1 to 64 of A-Z, a-z, 0-9, "_" and "-": got ${JSON.stringify(name)}; models refuse others`,
    );
}

/** Converts a value to a result: text for a string, JSON for the rest. */
export function outputOf(value: unknown): ToolOutput {
  if (typeof value === "string") return { kind: "text", text: value };
  if (typeof value === "boolean" || Number.isFinite(value)) return { kind: "json", value: value as number | boolean };
  const json = JSON.stringify(value) as string | undefined;
  return { kind: "json", value: json === undefined ? null : (JSON.parse(json) as Json) };
}

function requireSecrets(owner: string, secrets: readonly string[], schema: JsonSchema, goesOn: boolean): void {
  if (goesOn) throw new TypeError(`Tool "${owner}" cannot have "secrets": the input of a flow is stored`);
  const { properties = {} } = schema as { readonly properties?: object };
  const unknown = secrets.find((name) => !Object.hasOwn(properties, name));
  if (unknown !== undefined)
    throw new TypeError(`Option "secrets" of tool "${owner}" names "${unknown}", which its input does not have`);
}

function requireLeast(owner: string, options: Readonly<Record<string, number>>, least: number): void {
  for (const [option, value] of Object.entries(options))
    if (!(typeof value === "number" && value >= least))
      throw new RangeError(`Option "${option}" of tool "${owner}" must be ${least} or more: got ${String(value)}`);
}
