import { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AIMessage, AIMessageChunk, type BaseMessage } from "@langchain/core/messages";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import { tool } from "@langchain/core/tools";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { createReactAgent } from "@langchain/langgraph/prebuilt";
import { answer, pieces, toolCalls, toolName, toolText } from "../agent-model.ts";
import { Envelope } from "../envelope.ts";
import type { AgentRig, AgentSetup } from "../workloads/agent.ts";
import type { FanOutRig, FanOutSetup } from "../workloads/fan-out.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";
import type { LoopRig, LoopSetup, LoopState } from "../workloads/loop.ts";
import type { PackageRig } from "../workloads/package.ts";
import type { PendingRig, PendingSetup } from "../workloads/pending.ts";
import type { StreamsRig, StreamsSetup } from "../workloads/streams.ts";

export const library = "@langchain/langgraph";

export const cannot = {
  validated: "checks the state that goes in, not what each node returns",
  waiting: "a node takes any number at once",
};

process.env["LANGSMITH_TRACING"] = "false";

const close = async (): Promise<void> => {};

/**
 * Builds a compiled StateGraph of `nodes` nodes, invoked once per request.
 *
 * No checkpointer and no tracing; `Annotation` state with one last-value channel, which validates nothing. The
 * recursion limit (25 by default) is raised so that longer chains may run.
 */
export function linear({ nodes, tally }: LinearSetup): LinearRig {
  const State = Annotation.Root({ message: Annotation<Envelope> });
  const names = Array.from({ length: nodes }, (_, index) => `n${index + 1}`);
  // the builder's type grows with every node, which a chain of unknown length cannot spell
  const builder = new StateGraph(State) as StateGraph<
    typeof State.spec,
    typeof State.State,
    typeof State.Update,
    string
  >;
  for (const name of names) {
    builder.addNode(name, async ({ message }: typeof State.State) => {
      tally.hops += 1;
      return { message };
    });
  }
  for (const [index, name] of [...names, END].entries()) {
    builder.addEdge(index === 0 ? START : names[index - 1]!, name);
  }
  const graph = builder.compile();
  const config = { recursionLimit: nodes + 2 };
  return {
    async request(payload) {
      const state = await graph.invoke({ message: new Envelope(payload) }, config);
      return state.message.payload;
    },
    close,
  };
}

/** Builds edges to all branches, whose parts a reducer collects, and one edge from all of them to the summing node. */
export function fanOut({ branches, tally }: FanOutSetup): FanOutRig {
  const State = Annotation.Root({
    message: Annotation<Envelope>,
    parts: Annotation<number[]>({ reducer: (parts, more) => [...parts, ...more], default: () => [] }),
    sum: Annotation<number>,
  });
  const names = Array.from({ length: branches }, (_, branch) => `branch${branch}`);
  const builder = new StateGraph(State)
    .addNode("first", async ({ message }) => {
      tally.hops += 1;
      return { message };
    })
    .addNode("total", async ({ parts }) => {
      tally.hops += 1;
      return { sum: parts.reduce((sum, part) => sum + part, 0) };
    }) as unknown as StateGraph<typeof State.spec, typeof State.State, typeof State.Update, string>;
  for (const [branch, name] of names.entries()) {
    builder.addNode(name, async ({ message }: typeof State.State) => {
      tally.hops += 1;
      return { parts: [message.payload.id + branch] };
    });
    builder.addEdge("first", name);
  }
  builder.addEdge(START, "first").addEdge(names, "total").addEdge("total", END);
  const graph = builder.compile();
  return {
    request: async (payload) => (await graph.invoke({ message: new Envelope(payload) })).sum,
    close,
  };
}

/** Builds a conditional edge back to the node. */
export function loop({ hops, tally }: LoopSetup): LoopRig {
  const State = Annotation.Root({ state: Annotation<LoopState> });
  const graph = new StateGraph(State)
    .addNode("step", async ({ state }) => {
      tally.hops += 1;
      return { state: { payload: state.payload, hops: state.hops + 1 } };
    })
    .addEdge(START, "step")
    .addConditionalEdges("step", ({ state }) => (state.hops < hops ? "step" : END), ["step", END])
    .compile();
  const config = { recursionLimit: hops + 2 };
  return {
    async request(payload) {
      const { state } = await graph.invoke({ state: { payload, hops: 0 } }, config);
      return { id: state.payload.id, hops: state.hops };
    },
    close,
  };
}

export function pending({ gate }: PendingSetup): PendingRig {
  const State = Annotation.Root({ message: Annotation<Envelope> });
  const graph = new StateGraph(State)
    .addNode("waits", async ({ message }) => {
      await gate;
      return { message };
    })
    .addEdge(START, "waits")
    .addEdge("waits", END)
    .compile();
  return {
    request: async (payload) => (await graph.invoke({ message: new Envelope(payload) })).message.payload,
    close,
  };
}

/** Builds a node that writes to the custom stream; no backpressure. */
export function streams({ chunks, text }: StreamsSetup): StreamsRig {
  const State = Annotation.Root({ id: Annotation<number> });
  const graph = new StateGraph(State)
    .addNode("writes", async ({ id }, config) => {
      for (let index = 0; index < chunks; index += 1) config.writer?.(text(index));
      return { id };
    })
    .addEdge(START, "writes")
    .addEdge("writes", END)
    .compile();
  return {
    async read(id, take) {
      for await (const chunk of await graph.stream({ id }, { streamMode: "custom" })) take(chunk as string);
    },
    close,
  };
}

/** Gives what the model of the AI SDK gives, in the words of this library. */
class ScriptedModel extends BaseChatModel {
  _llmType() {
    return "scripted";
  }

  override bindTools() {
    return this;
  }

  #next(messages: readonly BaseMessage[]) {
    const results = messages.filter((message) => message.getType() === "tool").length;
    if (results >= toolCalls) return undefined;
    return { id: `call-${results}`, name: toolName, args: { n: results }, type: "tool_call" } as const;
  }

  async _generate(messages: BaseMessage[]): Promise<ChatResult> {
    const call = this.#next(messages);
    const message =
      call === undefined ? new AIMessage(answer) : new AIMessage({ content: "", tool_calls: [{ ...call }] });
    return { generations: [{ text: call === undefined ? answer : "", message }] };
  }

  override async *_streamResponseChunks(messages: BaseMessage[]) {
    const call = this.#next(messages);
    if (call === undefined) {
      for (const text of pieces) yield new ChatGenerationChunk({ text, message: new AIMessageChunk(text) });
      return;
    }
    const piece = { id: call.id, name: call.name, args: JSON.stringify(call.args), index: 0, type: "tool_call_chunk" };
    const message = new AIMessageChunk({ content: "", tool_call_chunks: [{ ...piece, type: "tool_call_chunk" }] });
    yield new ChatGenerationChunk({ text: "", message });
  }
}

/** Builds the prebuilt agent: no checkpointer, no tracing, a tool with a plain JSON Schema. */
export function agent({ tally, streamed }: AgentSetup): AgentRig {
  const addOne = tool(
    async (input) => {
      tally.hops += 1;
      return String((input as { n: number }).n + 1);
    },
    {
      name: toolName,
      description: toolText,
      schema: { type: "object", properties: { n: { type: "number" } }, required: ["n"], additionalProperties: false },
    },
  );
  const graph = createReactAgent({ llm: new ScriptedModel({}), tools: [addOne] });
  const config = { recursionLimit: 4 * toolCalls };
  return {
    async request({ text }) {
      const messages = [{ role: "user", content: text }];
      if (!streamed) return (await graph.invoke({ messages }, config)).messages.at(-1)!.content as string;
      let said = "";
      for await (const [piece] of await graph.stream({ messages }, { ...config, streamMode: "messages" })) {
        if (piece.getType() === "ai") said += piece.content as string;
      }
      return said;
    },
    close,
  };
}

const package_ = (): PackageRig => ({ module: library, names: ["Annotation", "END", "START", "StateGraph"], close });
export { package_ as package };
