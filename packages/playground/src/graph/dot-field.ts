import type { DrawnEdge } from "./drawn-graph.ts";

/** Milliseconds that a dot is on its way. */
export const DOT_MS = 420;
/** Largest number of dots at once: more cannot be told apart, and cost frames. */
const MOST_DOTS = 1_200;

/**
 * The dots on their way along the edges of one drawing. Columns of numbers in place of objects: nothing is allocated
 * while messages flow, so the heap stays flat.
 */
export class DotField {
  readonly #ways: readonly Float32Array[];
  readonly #indexOf: ReadonlyMap<string, number>;
  readonly #edge = new Uint16Array(MOST_DOTS);
  readonly #start = new Float64Array(MOST_DOTS);
  #count = 0;

  constructor(edges: readonly DrawnEdge[]) {
    this.#ways = edges.map(({ way }) => Float32Array.from(way.flatMap(({ x, y }) => [x, y])));
    this.#indexOf = new Map(edges.map(({ id }, index) => [id, index]));
  }

  /** Number of dots that are under way or about to leave. */
  get size(): number {
    return this.#count;
  }

  /** Sends a dot along an edge at an instant of the frame clock. An edge that is not drawn is left out. */
  send(edge: string, at: number): void {
    const index = this.#indexOf.get(edge);
    if (index === undefined || this.#count === MOST_DOTS) return;
    this.#edge[this.#count] = index;
    this.#start[this.#count] = at;
    this.#count++;
  }

  /** Takes all dots off. */
  clear(): void {
    this.#count = 0;
  }

  /** Calls `draw` with the place of each dot that is under way, and drops those that have arrived. */
  at(now: number, draw: (x: number, y: number) => void): void {
    let kept = 0;
    for (let dot = 0; dot < this.#count; dot++) {
      const start = this.#start[dot] as number;
      const edge = this.#edge[dot] as number;
      const part = (now - start) / DOT_MS;
      if (part >= 1) continue;
      this.#edge[kept] = edge;
      this.#start[kept] = start;
      kept++;
      if (part < 0) continue;
      const way = this.#ways[edge] as Float32Array;
      const along = ease(part) * (way.length / 2 - 1);
      const from = Math.floor(along) * 2;
      const rest = along - Math.floor(along);
      const x = way[from] as number;
      const y = way[from + 1] as number;
      draw(x + ((way[from + 2] ?? x) - x) * rest, y + ((way[from + 3] ?? y) - y) * rest);
    }
    this.#count = kept;
  }
}

/** Starts and arrives gently. */
function ease(part: number): number {
  return part * part * (3 - 2 * part);
}
