import { describe, expect, test } from "vitest";
import { tool, toolsFrom } from "../../src/index.ts";
import { toolSourceContract } from "../../src/testing/index.ts";

const ofLists = toolSourceContract({
  make: (served) => ({
    source: toolsFrom(
      "it",
      served.map(({ name, description, inputSchema, run }) =>
        tool({
          name,
          description,
          input: {
            "~standard": {
              version: 1,
              vendor: "test",
              validate: (value) => {
                const { text } = value as { readonly text?: unknown };
                return text === undefined || typeof text === "string"
                  ? { value: value as never }
                  : { issues: [{ message: "must be a string", path: ["text"] }] };
              },
            },
          },
          jsonSchema: inputSchema,
          effects: "reads",
          run: async (args, { credential, signal }) => await run(args, { credential: credential as string, signal }),
        }),
      ),
    ),
  }),
});

describe("a list of tools keeps the contract:", () => {
  test.for(ofLists)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
