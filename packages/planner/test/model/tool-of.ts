import type { Tool } from "../../src/index.ts";

/** Makes a tool that is described and never run. */
export function toolOf(name: string, properties: object = {}): Tool {
  const unused = (): never => {
    throw new Error("not run here");
  };
  return {
    name,
    description: `Tells the ${name}.`,
    inputSchema: { type: "object", properties },
    effects: "reads",
    approval: false,
    timeoutMs: 1_000,
    maxRetries: 0,
    ifUnknown: "tell",
    maxResultChars: 100,
    check: unused,
    run: unused,
  };
}
