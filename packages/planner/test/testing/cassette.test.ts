import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { record, replay, scriptedModel } from "../../src/testing/index.ts";
import { ask } from "../model/request.ts";
import { toolOf } from "../model/tool-of.ts";

let file = "";
beforeEach(() => {
  const folder = mkdtempSync(path.join(tmpdir(), "cassette-"));
  file = path.join(folder, "deep", "calls.json");
  onTestFinished(() => rmSync(folder, { recursive: true }));
});

const hello = (text: string) => ({ prompt: [{ role: "user" as const, content: [{ type: "text" as const, text }] }] });
const listen = async (): Promise<void> => {};

describe("a cassette", () => {
  test("answers as the model did, streamed and not, to requests in any order", async () => {
    const real = scriptedModel([
      { reasoning: "hm", text: "Hello there", calls: [{ tool: "look", args: { at: 1 } }], tokens: [7, 3] },
      { content: [{ type: "file", mediaType: "image/png", data: { type: "data", data: new Uint8Array([1, 2]) } }] },
      {
        content: [{ type: "file", mediaType: "image/png", data: { type: "url", url: new URL("https://example.com") } }],
      },
    ]);
    const recording = record(real, file);
    const said = [
      await ask(recording, { ...hello("one"), tools: [toolOf("look")], onDelta: listen }),
      await ask(recording, hello("two")),
      await ask(recording, hello("three")),
    ];
    const model = replay(file);
    expect(await ask(model, hello("three"))).toEqual(said[2]);
    expect(await ask(model, { ...hello("one"), tools: [toolOf("look")], onDelta: listen })).toEqual(said[0]);
    expect(await ask(model, hello("two"))).toEqual(said[1]);
    expect(real.count).toBe(3);
  });

  test("gives answers to requests that are alike in their order, each once", async () => {
    const recording = record(scriptedModel(["first", "second"]), file);
    for (let call = 0; call < 2; call += 1) await ask(recording);
    const model = replay(file);
    expect([(await ask(model)).text, (await ask(model)).text]).toEqual(["first", "second"]);
    await expect(ask(model)).rejects.toThrow(/all 2 recorded calls are used; record it again/);
  });

  test("tells what differs from the nearest call, and is not asked again", async () => {
    const recording = record(scriptedModel(["a", "b"]), file);
    await ask(recording, { ...hello("Weather in Rome?"), tools: [toolOf("look"), toolOf("mail")] });
    await ask(recording, { ...hello("Weather in Oslo?"), settings: { temperature: 0 } });
    const call = ask(replay(file), { ...hello("Weather in Paris?"), settings: { temperature: 1 } });
    await expect(call).rejects.toMatchObject({ retryable: false });
    await expect(call).rejects.toThrow(
      [
        "from call 2 of 2 it differs in",
        "  temperature: expected 0, got 1",
        '  prompt[0].content[0].text: expected "Weather in Oslo?", got "Weather in Paris?"',
      ].join("\n"),
    );
    await expect(
      ask(replay(file), { ...hello("Weather in Oslo?"), settings: { temperature: 0 }, onDelta: listen }),
    ).rejects.toThrow('kind: expected "generate", got "stream"');
  });

  test("keeps no header and no failed call", async () => {
    const failing: LanguageModelV4 = {
      ...scriptedModel([]),
      doStream: async () => ({
        stream: new ReadableStream({
          start(controller) {
            controller.enqueue({ type: "error", error: "overloaded" });
            controller.close();
          },
        }),
      }),
    };
    await expect(ask(record(failing, file), { onDelta: listen })).rejects.toThrow("overloaded");
    const cut = scriptedModel([{ text: "Half", cut: true }]);
    await expect(ask(record(cut, file), { onDelta: listen })).rejects.toThrow("ended before it was finished");
    expect(() => replay(file)).toThrow(/it cannot be read; record it first/);
    const recording = record(scriptedModel([new Error("no"), "yes"]), file);
    await expect(ask(recording)).rejects.toThrow("no");
    await ask(recording, { settings: { headers: { authorization: "Bearer canary" } } });
    expect(readFileSync(file, "utf8")).not.toContain("canary");
    expect((await ask(replay(file), { settings: { headers: { authorization: "other" } } })).text).toBe("yes");
  });

  test("of another version is refused", async () => {
    await ask(record(scriptedModel(["x"]), file));
    writeFileSync(file, '{"version":2}');
    expect(() => replay(file)).toThrow(/expected version 1, got 2/);
  });
});
