import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ScriptedAnswer, scriptedModel } from "../../src/testing/index.ts";
import { ask } from "../model/request.ts";

const answers: fc.Arbitrary<ScriptedAnswer> = fc.record(
  {
    reasoning: fc.string(),
    text: fc.string(),
    calls: fc.array(
      fc.record({ tool: fc.string(), args: fc.oneof(fc.string(), fc.dictionary(fc.string(), fc.jsonValue())) }),
      {
        maxLength: 3,
      },
    ),
    finish: fc.constantFrom("stop", "length", "content-filter", "tool-calls", "other"),
    tokens: fc.tuple(fc.nat(), fc.nat()),
  },
  { requiredKeys: [] },
);

describe("a scripted model", () => {
  test("gives the same turn, streamed and generated, in both modes", async () => {
    await fc.assert(
      fc.asyncProperty(answers, fc.constantFrom("native", "json"), async (answer, mode) => {
        let heard = "";
        const onDelta = async (kind: string, delta: string): Promise<void> =>
          void (kind === "text" && (heard += delta));
        const generated = await ask(scriptedModel([answer]), { mode });
        expect(await ask(scriptedModel([answer]), { mode, onDelta })).toEqual(generated);
        // in JSON mode the text of what is no action is kept for the end of the run, and is not told
        expect(heard).toBe(mode === "json" && generated.problem !== undefined ? "" : generated.text);
      }),
    );
  });

  test("begins anew when told to, and else says that it has no answer", async () => {
    const looping = scriptedModel(["a", "b"], { loop: true });
    const texts: string[] = [];
    for (let call = 0; call < 5; call += 1) texts.push((await ask(looping)).text);
    expect(texts.join("")).toBe("ababa");
    const once = scriptedModel(["a"]);
    await ask(once);
    await expect(ask(once)).rejects.toMatchObject({
      retryable: false,
      message: 'Cannot call model "scripted": Cannot answer call 2: the script has 1 answers; add one, or set "loop"',
    });
  });

  test("answers with a function of the prompt, or with an error", async () => {
    const model = scriptedModel(({ prompt, index }) => (index === 0 ? new Error("down") : `${prompt.length} messages`));
    await expect(ask(model)).rejects.toThrow("down");
    expect((await ask(model)).text).toBe("1 messages");
  });

  test("keeps the last calls, and counts them all", async () => {
    const model = scriptedModel(["a"], { loop: true, keep: 2 });
    for (const seed of [1, 2, 3]) await ask(model, { settings: { seed } });
    expect(model.calls.map(({ seed }) => seed)).toEqual([2, 3]);
    expect(model.count).toBe(3);
  });
});
