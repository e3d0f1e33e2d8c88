import type { DrawnGraph, DrawnNode } from "./drawn-graph.ts";

const WAYS: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowDown: [0, 1],
  ArrowUp: [0, -1],
};

/** Finds the node that an arrow key leads to: the nearest in that direction. `Home` and `End` lead to the endpoints. */
export function neighbourOf(drawn: DrawnGraph, from: DrawnNode, key: string): DrawnNode | undefined {
  if (key === "Home") return drawn.nodes[0];
  if (key === "End") return drawn.nodes.at(-1);
  const way = WAYS[key];
  if (way === undefined) return undefined;
  const [right, down] = way;
  let nearest: DrawnNode | undefined;
  let least = Infinity;
  for (const node of drawn.nodes) {
    const along = (node.x - from.x) * right + (node.y - from.y) * down;
    const across = Math.abs((node.x - from.x) * down) + Math.abs((node.y - from.y) * right);
    if (along <= 1) continue;
    // a node straight ahead is nearer than one aside
    const far = along + across * 2;
    if (far < least) [nearest, least] = [node, far];
  }
  return nearest;
}
