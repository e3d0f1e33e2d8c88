import { createFrom, type Flow, payloadNode } from "penguiflow";

const nodes = Array.from({ length: 10 }, (_, index) =>
  payloadNode(`n${index}`, async (passed: number): Promise<number> => passed + 1),
);

/** Ten nodes in a line that do nothing: their time is that of the engine. */
export const quickLine: Flow<number, number> = createFrom<number, number>(
  nodes.slice(1).map((next, index) => nodes[index]!.to(next)),
  { name: "quick-line" },
);
