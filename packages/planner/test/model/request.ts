import { callModel, type ModelRequest } from "../../src/model/call-model.ts";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { ModelTurn } from "../../src/model/model-turn.ts";

/** Calls a model in step 1, natively, with what a test changes. */
export function ask(model: LanguageModelV4, change: Partial<ModelRequest> = {}): Promise<ModelTurn> {
  return callModel(model, {
    prompt: [{ role: "user", content: [{ type: "text", text: "Hello" }] }],
    tools: [],
    mode: "native",
    signal: new AbortController().signal,
    step: 1,
    ...change,
  });
}
