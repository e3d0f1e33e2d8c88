import { createFrom, type Flow, payloadNode } from "penguiflow";

/** Request of the kill program, and the nodes it has passed. */
export interface Passed {
  readonly id: string;
  readonly nodes: number;
}

export const NODES = 10;

const nodes = Array.from({ length: NODES }, (_, index) =>
  payloadNode(`n${index}`, async ({ id, nodes: passed }: Passed): Promise<Passed> => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
    return { id, nodes: passed + 1 };
  }),
);

/** Ten nodes in a line. */
export const line: Flow<Passed, Passed> = createFrom<Passed, Passed>(
  nodes.slice(1).map((next, index) => nodes[index]!.to(next)),
  { name: "line" },
);
