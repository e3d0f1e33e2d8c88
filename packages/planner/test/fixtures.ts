import { z } from "zod";
import { type Planner, type PlanResult, tool, type Tool, type ToolContext } from "@penguiflow/planner";
import { afterEach } from "vitest";

const started: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of started.splice(0)) await one[Symbol.asyncDispose]();
});

/** Starts a planner for one test. */
export function running<Output, Names extends string>(planner: Planner<Output, Names>): Planner<Output, Names> {
  started.push(planner);
  return planner.start();
}

/** A tool that reads, and answers with what it is given. */
export function reads<const Name extends string>(
  name: Name,
  run: (args: { text?: string | undefined }, ctx: ToolContext) => unknown = ({ text }) => `${name}: ${text}`,
  change: Partial<Parameters<typeof tool>[0]> = {},
): Tool<Name> {
  return tool({
    description: `The tool ${name}`,
    input: z.object({ text: z.string().optional() }),
    effects: "reads",
    maxRetries: 0,
    run: run as never,
    ...change,
    name,
  } as never) as Tool<Name>;
}

/** A tool that writes, and notes what it has written. */
export function writes<const Name extends string>(
  name: Name,
  written: unknown[],
  change: Partial<Parameters<typeof tool>[0]> = {},
): Tool<Name> {
  return tool({
    description: `The tool ${name}`,
    input: z.object({ text: z.string() }),
    effects: "writes",
    run: ({ text }: { text: string }) => {
      written.push(text);
      return `wrote ${text}`;
    },
    ...change,
    name,
  } as never) as Tool<Name>;
}

/** The results of all calls of a run, in the order of the calls. */
export function outputs({ steps }: PlanResult<unknown>): unknown[] {
  return steps.flatMap(({ calls }) => calls.map(({ output }) => output));
}

/** Reads all events. */
export async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}
