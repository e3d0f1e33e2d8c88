import { createPlanner, flowTool } from "@penguiflow/planner";
import { z } from "zod";
import { search } from "./library.ts";
import { model } from "./model.ts";

// a flow as a tool: its nodes run with the deadline, budget and observers of the agent's run
const searchDocs = flowTool(search, {
  name: "search_docs",
  description: "Finds passages of the documents that answer a question",
  input: z.object({ question: z.string() }),
  toInput: ({ question }) => question,
  effects: "reads",
});

export const agent = createPlanner({
  name: "librarian",
  model,
  instructions:
    "Answer from the passages that search_docs finds alone, and cite the source of each in brackets, such as " +
    "[docs/returns.md]. If they do not answer the question, say so.",
  tools: [searchDocs],
  budget: { steps: 6 },
});
