import { type DrawnEdge, type DrawnNode, isEndpoint, OPEN_SEA } from "./drawn-graph.ts";
import { INSET } from "./graph-painter.ts";
import type { NodeLook } from "./graph-paint.ts";
import { KIND_SIGNS, NODE_SIGNS } from "./node-signs.ts";

const LOOKS = Object.keys(NODE_SIGNS) as NodeLook[];

/** An edge as a pipe. The painter sets its pressure and width. */
export function EdgeShape({ edge, isMarked }: { readonly edge: DrawnEdge; readonly isMarked: boolean }) {
  return (
    <g class="edge" data-edge={edge.id} data-kind={edge.kind} data-pressure="quiet" data-marked={isMarked}>
      <path class="pipe-reach" d={edge.path} />
      <path class="pipe" d={edge.path} stroke-width="1.25" />
      <path class="pipe-head" d={edge.head} />
    </g>
  );
}

/** The depth of an edge. It is drawn after the nodes, so that none of them covers it. */
export function EdgeLabel({ edge }: { readonly edge: DrawnEdge }) {
  return <text class="pipe-label" data-label={edge.id} data-pressure="quiet" x={edge.label.x} y={edge.label.y - 7} />;
}

interface NodeShapeProps {
  readonly node: DrawnNode;
  readonly isSelected: boolean;
  /** Whether Tab leads to it. */
  readonly isCurrent: boolean;
  readonly onSelect: () => void;
}

/** A node with its name, slots and a line of figures, or an endpoint. The painter sets its state. */
export function NodeShape({ node: drawn, isSelected, isCurrent, onSelect }: NodeShapeProps) {
  const { name, x, y, width, height, node } = drawn;
  if (isEndpoint(name))
    return (
      <g
        class="endpoint"
        data-node={name}
        transform={`translate(${x} ${y})`}
        role="img"
        tabindex={isCurrent ? 0 : -1}
        aria-label={name === OPEN_SEA ? "OpenSea, where messages come from" : "Rookery, where results go"}
      >
        <title>{name}</title>
        <circle r={width / 2} />
        <path d={name === OPEN_SEA ? "M-3-4 3 0-3 4z" : "M-3.5 0-1 2.5 4-3"} />
      </g>
    );
  const kind = node?.kind ?? "node";
  const left = -width / 2;
  return (
    <g
      class="node"
      data-node={name}
      data-look="idle"
      data-selected={isSelected}
      transform={`translate(${x} ${y})`}
      role="button"
      tabindex={isCurrent ? 0 : -1}
      aria-label={name}
      aria-pressed={isSelected}
      onClick={onSelect}
    >
      <rect class="node-box" x={left} y={-height / 2} width={width} height={height} rx="7" />
      <text class="node-name" x={left + INSET} y={-height / 2 + 19}>
        {shortened(name, Math.floor((width - 34) / 7.1))}
        <title>{name}</title>
      </text>{" "}
      <g class="node-signs" transform={`translate(${width / 2 - INSET - 10} ${-height / 2 + 10})`}>
        {kind === "node" ? null : (
          <path class="node-kind" d={KIND_SIGNS[kind]}>
            <title>{kind}</title>
          </path>
        )}
        {LOOKS.map((look) => (
          <path key={look} class={`node-sign sign-${look}`} d={NODE_SIGNS[look]} />
        ))}
      </g>
      {(["idle", "running", "held"] as const).map((part) => (
        <line
          key={part}
          class={`slots-${part}`}
          x1={left + INSET}
          x2={left + (part === "idle" ? width - INSET : INSET)}
          y1={-height / 2 + 29}
          y2={-height / 2 + 29}
          visibility={part === "idle" ? "visible" : "hidden"}
        />
      ))}
      <text class="node-words" x={left + INSET} y={height / 2 - 9} />
    </g>
  );
}

function shortened(name: string, characters: number): string {
  return name.length <= characters + 2 ? name : `${name.slice(0, characters)}…`;
}
