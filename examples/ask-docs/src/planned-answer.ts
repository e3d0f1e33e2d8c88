import { createPlanner, flowTool } from "@penguiflow/planner";
import { z } from "zod";
import { modelOr } from "../../agent-quickstart/model.ts";
import { createRetrievingFlow } from "./answering-flow.ts";
import { composeAnswer } from "./compose-answer.ts";
import type { Library } from "./library.ts";
import { keywords, tokenise } from "./tokenise.ts";

/** A sentence of the documents, as the model gets it. */
interface Quote {
  readonly text: string;
  /** File and line. */
  readonly place: string;
}

/** Answer of a planner, and the way to it. */
export interface PlannedAnswer {
  readonly text: string;
  /** Searches that the model has asked for. */
  readonly searches: readonly string[];
  /** Whether any search has found something. */
  readonly isAnswered: boolean;
}

/**
 * Answers a question through a planner whose tool is the retrieving flow: a model chooses the words to search for. Without
 * `AGENT_MODEL` in the environment a script searches for the question and answers with the sentences found: offline.
 */
export async function plannedAnswer(question: string, library: Library, signal: AbortSignal): Promise<PlannedAnswer> {
  const searches: string[] = [];
  const quotes: Quote[] = [];
  const search = flowTool(createRetrievingFlow, {
    name: "search_documents",
    description: "Finds the sentences of the documents that have these words, the best first",
    input: z.object({ words: z.string() }),
    effects: "reads",
    toInput: ({ words }) => {
      searches.push(words);
      return { terms: [...new Set(keywords(words).flatMap(tokenise))], nearSpellings: true, related: [], known: [] };
    },
    toModel: ({ hits }) => {
      const found = composeAnswer(hits, library).map(({ text, hit, line }): Quote => {
        return { text, place: `${hit.passage.file}:${line}` };
      });
      quotes.push(...found);
      return { kind: "json", value: found.map((quote) => ({ ...quote })) };
    },
  });
  await using planner = createPlanner({
    name: "ask-docs",
    model: modelOr(({ index }) => {
      if (index === 0) return { calls: [{ tool: "search_documents", args: { words: question } }] };
      return quotes.length === 0
        ? "Nothing was found."
        : quotes.map(({ text, place }) => `${text} (${place})`).join("\n");
    }),
    instructions: "Answer from the documents alone, in three sentences, each with its file and line in parentheses.",
    tools: [search],
    budget: { steps: 6 },
  });
  planner.start({ resources: { library } });
  const end = await planner.run(question, { signal });
  signal.throwIfAborted();
  if (end.status !== "completed")
    throw new Error(`Cannot answer: the planner ended as ${end.status}; try without --planner`);
  return { text: end.text, searches, isAnswered: quotes.length > 0 };
}
