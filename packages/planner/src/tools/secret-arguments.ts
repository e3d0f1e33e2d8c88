import type { Json } from "../plan/json.ts";
import { argsOf } from "../plan/projection.ts";
import type { ToolOutput } from "../plan/tool-output.ts";
import { SECRET, secretsOf } from "./secrets.ts";
import type { Tool } from "./tool.ts";

// The value of a secret argument goes from the model to its tool in memory alone. Whatever is stored, told or shown has
// a text in its place: the log of the run and so each later prompt, checkpoints, events, questions.

/** The part of a tool that names its secret arguments. */
type Marked = Pick<Tool, "secrets">;

/** Returns arguments with a text in place of those that are secret; the same ones if none is among them. */
export function maskedArgs({ secrets = [] }: Marked, args: Json): Json {
  if (secrets.length === 0) return args;
  // something else than named arguments may be one of them
  if (!isRecord(args)) return SECRET;
  const found = secrets.filter((name) => Object.hasOwn(args, name));
  return found.length === 0 ? args : { ...args, ...Object.fromEntries(found.map((name) => [name, SECRET])) };
}

/** Returns arguments as a model wrote them, masked; what is no JSON is masked whole. */
export function maskedInput(tool: Marked, input: string): string {
  if (tool.secrets === undefined) return input;
  const args = argsOf(input);
  const masked = maskedArgs(tool, args);
  return masked === args ? input : JSON.stringify(masked);
}

/** Returns masked arguments with the secret ones of others in their places. */
export function unmaskedArgs({ secrets = [] }: Marked, masked: Json, full: Json): Json {
  if (!isRecord(masked) || !isRecord(full)) return masked;
  const found = secrets.filter((name) => masked[name] === SECRET && Object.hasOwn(full, name));
  return { ...masked, ...Object.fromEntries(found.map((name) => [name, full[name] as Json])) };
}

/** Returns the name of a secret argument that has the text in place of its value, as the model reads it of earlier calls. */
export function argumentWithoutValue({ secrets = [] }: Marked, args: Json): string | undefined {
  return isRecord(args) ? secrets.find((name) => args[name] === SECRET) : undefined;
}

/** Returns the texts of secret arguments, which must not leave their call. */
export function textsOfArgs({ secrets = [] }: Marked, args: Json): readonly string[] {
  return secretsOf(isRecord(args) ? secrets.map((name) => args[name]) : secrets.length > 0 ? args : undefined);
}

/** Returns why a person may not give arguments in place of others: the model alone sets those that are secret. */
export function editProblem(secrets: readonly string[] = [], edited: Json, before: Json): string | undefined {
  const valueOf = (args: Json, name: string): Json | undefined => (isRecord(args) ? args[name] : undefined);
  const name = secrets.find((each) => valueOf(edited, each) !== valueOf(before, each));
  return name === undefined ? undefined : `"${name}" is secret and cannot be changed: leave ${SECRET} in its place`;
}

/** Makes the result of a call whose secret arguments went with the process that had them. */
export function lostArguments(tool: string): ToolOutput {
  const text = `"${tool}" has not run: its secret arguments were lost in a restart. Call it again with them.`;
  return { kind: "error", code: "ARGUMENTS_LOST", text };
}

function isRecord(args: Json): args is { readonly [name: string]: Json } {
  return typeof args === "object" && args !== null && !Array.isArray(args);
}
