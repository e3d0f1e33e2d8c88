import type { Json, JsonSchema } from "../plan/json.ts";

/** A tool as the contract wants it served, at the other side of a source. */
export interface ServedTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonSchema;
  /** Runs a call. What it throws, the server reports as the failure of the tool, in its words. */
  readonly run: (args: Json, call: ServedCall) => Promise<Json>;
}

/** A call as it has arrived at the server. */
export interface ServedCall {
  /** The credential that came with the call. */
  readonly credential: string | undefined;
  /** Aborts when the caller has given the call up. */
  readonly signal: AbortSignal;
}

/** Credentials of two people, and their names. */
export const CREDENTIALS = { "canary-7f3a": "Ada", "canary-91c2": "Bob" } as const;

/** Words of the tool that fails. */
export const FAILURE = "The printer is out of paper";

const text = { type: "string" } as const;

/** The tools that a contract has served, and what has arrived at them. */
export class ServedTools {
  /** Number of calls of the tool that fails. */
  failures = 0;
  /** Number of calls that wait, and of those that have heard that they were given up. */
  waiting = 0;
  abandoned = 0;

  readonly tools: readonly ServedTool[] = [
    {
      name: "echo",
      description: "Returns its arguments",
      inputSchema: {
        type: "object",
        properties: {
          text,
          mode: { type: "string", enum: ["plain", "loud"] },
          count: { type: "integer", minimum: 1 },
          place: {
            type: "object",
            properties: { city: text, tags: { type: "array", items: text } },
            required: ["city"],
          },
        },
        required: ["text"],
      },
      run: async (args) => {
        if (typeof (args as { readonly text?: unknown }).text !== "string") throw new Error('"text" must be a string');
        return args;
      },
    },
    {
      name: "print",
      description: "Prints, and fails",
      inputSchema: { type: "object", properties: { text } },
      run: async () => {
        this.failures += 1;
        throw new Error(FAILURE);
      },
    },
    {
      name: "wait",
      description: "Waits until it is given up",
      inputSchema: { type: "object", properties: {} },
      run: async (_, { signal }) => {
        this.waiting += 1;
        await new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          else signal.addEventListener("abort", () => resolve(), { once: true });
        });
        this.abandoned += 1;
        throw new Error("It was given up");
      },
    },
    {
      name: "whoami",
      description: "Tells who calls",
      inputSchema: { type: "object", properties: {} },
      run: async (_, { credential }) => ({ name: CREDENTIALS[credential as keyof typeof CREDENTIALS] ?? "a stranger" }),
    },
  ];
}
