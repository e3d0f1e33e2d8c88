import { createPlanner, tool, toolsFrom } from "@penguiflow/planner";
import { answer, book, mail, model, search } from "./schemas.ts";

const planner = createPlanner({
  name: "travel",
  model,
  tools: [
    tool({
      name: "search",
      description: "Finds trips",
      input: search,
      effects: "reads",
      run: ({ query, limit }, { signal }) => [query, limit, signal.aborted],
    }),
    tool({
      name: "book",
      description: "Books a seat",
      input: book,
      effects: "writes",
      approval: { when: ({ on }) => on === "today" },
      run: ({ seat, on }) => `${seat} ${on}`,
    }),
    toolsFrom("mail", [
      tool({
        name: "send",
        description: "Sends",
        input: mail,
        effects: "writes",
        run: ({ to, text }) => `${to} ${text}`,
      }),
    ]),
  ],
  output: answer,
});

export const end = await planner.run("To Rome", { user: "ada" });
export const price: number | undefined = end.status === "completed" ? end.output.price : undefined;
for await (const event of planner.stream("To Rome")) if (event.type === "call") console.log(event.tool);
