/** Types of a planner as the compiler infers them. `tsc -b` checks this file; it is never run. */
import { type FlowNode, MemoryLog } from "penguiflow";
import { z } from "zod";
import {
  type BareEnd,
  createPlanner,
  type PlanEvent,
  type PlanInput,
  type PlanResult,
  type Tool,
  tool,
  toolsFrom,
} from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { same } from "../../core/test/types/same.ts";

const model = scriptedModel([]);

const search = tool({
  name: "search",
  description: "Finds",
  input: z.object({ query: z.string(), limit: z.number().default(3) }),
  effects: "reads",
  run: (args, ctx) => {
    same<typeof args, { query: string; limit: number }>();
    same<typeof ctx.caller.tenant, string>();
    return args.query;
  },
});
same<typeof search, Tool<"search">>();

const book = tool({
  name: "book",
  description: "Books",
  input: z.object({ seat: z.string() }),
  output: z.object({ price: z.number() }),
  effects: "writes",
  approval: {
    when: (args) => {
      same<typeof args, { seat: string }>();
      return true;
    },
  },
  ifUnknown: async () => ({ price: 1 }),
  toModel: (value) => {
    same<typeof value, { price: number }>();
    return { kind: "json", value };
  },
  run: () => ({ price: 1 }),
});

const planner = createPlanner({
  name: "p",
  model,
  tools: [search, book],
  output: z.object({ price: z.number() }),
  memory: { store: new MemoryLog() },
});
same<Awaited<ReturnType<typeof planner.run>>, PlanResult<{ price: number }>>();
for await (const event of planner.stream("?")) {
  same<typeof event, PlanEvent<{ price: number }, "search" | "book">>();
  if (event.type === "call") same<typeof event.tool, "search" | "book">();
  if (event.type === "end" && event.end.status === "completed") same<typeof event.end.output, { price: number }>();
}
const asNode = planner.node("plan");
same<typeof asNode, FlowNode<"plan", PlanInput, BareEnd<{ price: number }>>>();

// a source lists its tools at run time, and text is the answer when there is no schema
const open = createPlanner({ name: "q", model, tools: [search, toolsFrom("gh", [book])] });
same<Awaited<ReturnType<typeof open.run>>, PlanResult>();
for await (const event of open.stream("?")) if (event.type === "call") same<typeof event.tool, string>();

// resources that are named have to be given
const needy = createPlanner<[], string, { readonly db: string }>({ name: "r", model });
needy.start({ resources: { db: "here" } });
// @ts-expect-error -- without resources
needy.start();
planner.start();

// @ts-expect-error -- effects have no default
tool({ name: "x", description: "X", input: z.object({}), run: () => 1 });
// @ts-expect-error -- output that does not fit its schema
tool({ name: "x", description: "X", input: z.object({}), output: z.string(), effects: "reads", run: () => 1 });
