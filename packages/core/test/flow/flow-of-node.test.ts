import { create, type Message, node, payloadNode } from "penguiflow";
import { flowOfNode } from "penguiflow/adapter";
import { expect, test } from "vitest";

const counts = node("counts", async ({ payload }: Message<number>, ctx): Promise<number> => {
  for (let at = 1; at < payload; at += 1) await ctx.emit(at);
  return payload;
});
const seen: string[] = [];
const flow = create(payloadNode("adds", (n: number) => n + 1).to(counts), {
  name: "numbers",
  limits: { maxResults: 2 },
  closeLog: () => ["closed"],
  middlewares: [({ flow: name, type }) => void (type === "node_start" && seen.push(name))],
});

test("a flow of a node alone has the observers of the other one, and results as many as there are", async () => {
  await using alone = flowOfNode<number, number>(flow, counts, "numbers/counts").run();
  const outcome = await alone.outcome(5);
  expect(outcome.results).toEqual([1, 2, 3, 4, 5]);
  await alone.flush();
  expect(seen).toEqual(["numbers/counts"]);
});

test("a run of a flow has no nodes to make a flow of", async () => {
  await using run = flow.start();
  expect(() => flowOfNode(run, counts, "numbers/counts")).toThrow("it needs a flow");
});
