// Draws a flow from the running graph: as Mermaid for documents, as DOT for Graphviz, as JSON for programs. A drawing
// shows the kinds of nodes, their policies, loops and playbooks.
//
//   npm run example examples/visualizer/main.ts
//   npm run -s example examples/visualizer/main.ts dot | dot -Tsvg > flow.svg
import {
  create,
  FinalAnswer,
  flowNode,
  flowToDot,
  flowToMermaid,
  graphToJson,
  joinK,
  type Message,
  node,
  payloadNode,
  predicateRouter,
  shape,
  WM,
} from "penguiflow";

const tokenise = payloadNode("tokenise", (question: string) => question.toLowerCase().split(/\W+/));
const look = payloadNode("look", (words: string[]) => words.length);
const retrieval = create(tokenise.to(look), { name: "retrieval" });

const guard = predicateRouter("guard", ({ payload }: Message<string>) => {
  return payload.length > 200 ? "refuse" : ["documents", "tickets"];
});
const refuse = payloadNode("refuse", (question: string) => `Too long: ${question.length} letters`);
const documents = flowNode("documents", retrieval, { policy: { timeoutMs: 2_000 } });
const tickets = payloadNode(
  { name: "tickets", policy: { timeoutMs: 500, maxRetries: 2, concurrency: 4 } },
  (question: string) => question.split("?").length,
);
const gather = joinK("gather", 2, { input: shape<number>(), timeoutMs: 3_000, whenShort: "emit" });
const begin = payloadNode(
  "begin",
  (counts: number[]) => new WM<number>({ query: "hits", facts: counts, budgetHops: 4 }),
);
const plan = node({ name: "plan", allowCycle: true }, ({ payload: memory }: Message<WM<number>>) => {
  if (memory.hops < 2) return memory.with({ confidence: memory.confidence + 0.5 });
  return new FinalAnswer({ text: `${memory.facts.join(" + ")} hits` });
});

export function createFlow() {
  return create(
    guard.to(refuse, documents, tickets),
    documents.to(gather),
    tickets.to(gather),
    gather.to(begin),
    begin.to(plan),
    plan.to(plan),
    { name: "visualizer" },
  );
}

const DRAWINGS = {
  mermaid: () => flowToMermaid(createFlow(), { direction: "LR" }),
  dot: () => flowToDot(createFlow(), { rankdir: "LR" }),
  json: () => JSON.stringify(graphToJson(createFlow()), null, 2),
};

export function main(format = "mermaid") {
  if (!Object.hasOwn(DRAWINGS, format)) {
    throw new TypeError(`Cannot draw as "${format}": the formats are ${Object.keys(DRAWINGS).join(", ")}`);
  }
  const drawing = DRAWINGS[format as keyof typeof DRAWINGS]();
  console.log(drawing);
  return drawing;
}

if (import.meta.main) main(process.argv[2]);
