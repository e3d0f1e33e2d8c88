import {
  Agent,
  type Model,
  type ModelRequest,
  type ModelResponse,
  type StreamEvent,
  Runner,
  setTracingDisabled,
  tool,
  Usage,
} from "@openai/agents";
import { answer, pieces, toolCalls, toolName, toolText } from "../agent-model.ts";
import type { AgentRig, AgentSetup } from "../workloads/agent.ts";

export const library = "@openai/agents";

setTracingDisabled(true);

const usage = { inputTokens: 10, outputTokens: 5, totalTokens: 15 };

type Item = { readonly type?: string };
type Output = Extract<StreamEvent, { type: "response_done" }>["response"]["output"];

/** Gives what the model of the AI SDK gives, in the words of this library. */
class ScriptedModel implements Model {
  #next({ input }: ModelRequest): Output {
    const results =
      typeof input === "string"
        ? 0
        : (input as readonly Item[]).filter(({ type }) => type === "function_call_result").length;
    if (results >= toolCalls) {
      return [
        { type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: answer }] },
      ];
    }
    const argumentsText = `{"n":${results}}`;
    return [
      {
        type: "function_call",
        callId: `call-${results}`,
        name: toolName,
        status: "completed",
        arguments: argumentsText,
      },
    ];
  }

  async getResponse(request: ModelRequest): Promise<ModelResponse> {
    return { usage: new Usage(usage), output: this.#next(request) as ModelResponse["output"] };
  }

  async *getStreamedResponse(request: ModelRequest): AsyncGenerator<StreamEvent> {
    yield { type: "response_started" };
    const output = this.#next(request);
    if (output[0]!.type === "message") for (const delta of pieces) yield { type: "output_text_delta", delta };
    yield { type: "response_done", response: { id: "1", usage, output } };
  }
}

/** Builds an agent whose tool has a plain JSON Schema; no tracing. */
export function agent({ tally, streamed }: AgentSetup): AgentRig {
  const addOne = tool({
    name: toolName,
    description: toolText,
    parameters: {
      type: "object",
      properties: { n: { type: "number" } },
      required: ["n"],
      additionalProperties: false,
    },
    strict: true,
    execute: async (input) => {
      tally.hops += 1;
      return (input as { n: number }).n + 1;
    },
  });
  const counting = new Agent({ name: "counting", model: new ScriptedModel(), tools: [addOne] });
  const runner = new Runner({ tracingDisabled: true });
  const maxTurns = toolCalls + 2;
  return {
    async request({ text: prompt }) {
      if (!streamed) return (await runner.run(counting, prompt, { maxTurns })).finalOutput as string;
      const result = await runner.run(counting, prompt, { maxTurns, stream: true });
      let text = "";
      for await (const piece of result.toTextStream()) text += piece;
      await result.completed;
      return text;
    },
    close: async () => {},
  };
}
