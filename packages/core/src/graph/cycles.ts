/** A graph as successor lists by index. */
export type Successors = readonly (readonly number[])[];

/**
 * Finds the rings of a graph: its strongly connected components with more than one node or with an edge from a node to
 * itself. Each is a sorted list of nodes.
 *
 * Algorithm: Tarjan 1972, "Depth-first search and linear graph algorithms", made iterative so that a chain of a hundred
 * thousand nodes does not overflow the stack.
 */
export function findRings(successors: Successors): number[][] {
  const count = successors.length;
  const index = new Array<number>(count).fill(-1);
  const low = new Array<number>(count).fill(0);
  const onStack = new Array<boolean>(count).fill(false);
  const stack: number[] = [];
  const rings: number[][] = [];
  let next = 0;

  const enter = (node: number): void => {
    index[node] = low[node] = next++;
    stack.push(node);
    onStack[node] = true;
  };

  for (let root = 0; root < count; root += 1) {
    if (index[root] !== -1) continue;
    const path: { node: number; edge: number }[] = [{ node: root, edge: 0 }];
    enter(root);
    while (path.length > 0) {
      const frame = path[path.length - 1] as { node: number; edge: number };
      const target = successors[frame.node]?.[frame.edge++];
      if (target !== undefined) {
        if (index[target] === -1) {
          enter(target);
          path.push({ node: target, edge: 0 });
        } else if (onStack[target]) {
          low[frame.node] = Math.min(low[frame.node] as number, index[target] as number);
        }
        continue;
      }
      path.pop();
      const parent = path[path.length - 1];
      if (parent !== undefined) low[parent.node] = Math.min(low[parent.node] as number, low[frame.node] as number);
      if (low[frame.node] !== index[frame.node]) continue;
      const ring: number[] = [];
      let member: number;
      do {
        member = stack.pop() as number;
        onStack[member] = false;
        ring.push(member);
      } while (member !== frame.node);
      if (ring.length > 1 || successors[frame.node]?.includes(frame.node)) rings.push(ring.sort((a, b) => a - b));
    }
  }
  return rings;
}

/** Finds a shortest cycle through `from` along `successors`, as `[from, …, from]`; `undefined` if there is none. */
export function findCycleThrough(successors: Successors, from: number): number[] | undefined {
  const cameFrom = new Map<number, number>();
  let frontier = [from];
  while (frontier.length > 0) {
    const next: number[] = [];
    for (const node of frontier) {
      for (const target of successors[node] ?? []) {
        if (target === from) {
          const path = [from];
          for (let step: number | undefined = node; step !== undefined && step !== from; step = cameFrom.get(step))
            path.unshift(step);
          return path[0] === from && path.length > 1 ? path : [from, ...path];
        }
        if (cameFrom.has(target)) continue;
        cameFrom.set(target, node);
        next.push(target);
      }
    }
    frontier = next;
  }
  return undefined;
}
