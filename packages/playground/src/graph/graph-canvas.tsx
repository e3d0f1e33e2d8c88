import { useSignal, useSignalEffect, type ReadonlySignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { DotLayer } from "./dot-layer.ts";
import type { DrawnGraph, DrawnNode, Point } from "./drawn-graph.ts";
import { GraphPainter } from "./graph-painter.ts";
import type { GraphPaint } from "./graph-paint.ts";
import { EdgeLabel, EdgeShape, NodeShape } from "./graph-shapes.tsx";
import { neighbourOf } from "./neighbour.ts";
import { FAR_AWAY, fit, pan, reveal, type Size, type Viewport, zoomAt } from "./viewport.ts";

export interface GraphCanvasProps {
  /** The drawing. Give the component the flow as `key`: no frame of one flow is drawn with the layout of another. */
  readonly drawn: DrawnGraph;
  readonly paint: ReadonlySignal<GraphPaint>;
  /** Name of the picture. */
  readonly label: string;
  readonly dots?: DotLayer;
  readonly selected?: string | undefined;
  readonly onSelect?: (node: string) => void;
  /** Ids of edges that are marked, as those of a deadlock. */
  readonly marked?: ReadonlySet<string>;
  /** Buttons beside those of the zoom. */
  readonly children?: ComponentChildren;
}

const ZOOM_STEP = 1.25;

/**
 * A graph that can be moved, zoomed and walked through with the arrow keys. State is painted onto it without a
 * rendering; dots are drawn on a canvas above.
 */
export function GraphCanvas(props: GraphCanvasProps) {
  const { drawn, dots } = props;
  const frame = useRef<HTMLDivElement>(null);
  const world = useRef<SVGGElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSignal<Size>({ width: 0, height: 0 });
  const chosen = useSignal<Viewport | undefined>(undefined);
  const current = useSignal(drawn.nodes[1]?.name ?? drawn.nodes[0]?.name);
  const painter = useRef<GraphPainter>(undefined);
  const byName = useMemo(() => new Map(drawn.nodes.map((node) => [node.name, node])), [drawn]);
  const view = (): Viewport => chosen.value ?? fit(drawn, size.value);

  useEffect(() => {
    if (world.current !== null) painter.current = new GraphPainter(world.current, drawn);
    painter.current?.paint(props.paint.peek());
  }, [drawn]);
  useSignalEffect(() => painter.current?.paint(props.paint.value));
  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => {
      size.value = { width: element.clientWidth, height: element.clientHeight };
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => (canvas.current === null ? undefined : dots?.attach(canvas.current)), [dots]);
  useSignalEffect(() => {
    const { scale, x, y } = view();
    world.current?.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${scale.toFixed(4)})`);
    frame.current?.toggleAttribute("data-far", scale < FAR_AWAY);
    frame.current?.style.setProperty("--graph-scale", String(scale));
    dots?.look({ scale, x, y });
  });
  useSignalEffect(() => {
    const { width, height } = size.value;
    if (canvas.current === null) return;
    canvas.current.width = width * devicePixelRatio;
    canvas.current.height = height * devicePixelRatio;
  });

  const middle = (): Point => ({ x: size.value.width / 2, y: size.value.height / 2 });
  const zoom = (factor: number, around: Point = middle()): void => {
    chosen.value = zoomAt(view(), factor, around);
  };
  const fitAll = (): void => {
    chosen.value = undefined;
  };
  const focus = (node: DrawnNode): void => {
    current.value = node.name;
    chosen.value = reveal(view(), node, size.value);
    world.current?.querySelector<SVGGElement>(`[data-node="${CSS.escape(node.name)}"]`)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") zoom(ZOOM_STEP);
    else if (event.key === "-") zoom(1 / ZOOM_STEP);
    else if (event.key === "0") fitAll();
    else {
      const from = byName.get(current.value ?? "");
      if (from === undefined || !(event.target instanceof SVGElement)) return;
      if (event.key === "Enter" || event.key === " ") {
        if (from.node !== undefined) props.onSelect?.(from.name);
      } else {
        const next = neighbourOf(drawn, from, event.key);
        if (next === undefined) return;
        focus(next);
      }
    }
    event.preventDefault();
  };

  return (
    <div class="graph" ref={frame} onKeyDown={onKeyDown} {...dragging(view, chosen, drawn, size)}>
      <svg class="graph-picture" role="group" aria-label={props.label} onDblClick={fitAll}>
        <defs>
          <pattern id="graph-grid" width="22" height="22" patternUnits="userSpaceOnUse">
            <circle class="graph-grid-dot" cx="1" cy="1" r="0.8" />
          </pattern>
        </defs>
        <rect width="100%" height="100%" fill="url(#graph-grid)" />
        <g ref={world} onPointerOver={(event) => pointAt(event.currentTarget, event.target)}>
          {drawn.edges.map((edge) => (
            <EdgeShape key={edge.id} edge={edge} isMarked={props.marked?.has(edge.id) === true} />
          ))}
          {drawn.nodes.map((node) => (
            <NodeShape
              key={node.name}
              node={node}
              isSelected={props.selected === node.name}
              isCurrent={current.value === node.name}
              onSelect={() => {
                current.value = node.name;
                props.onSelect?.(node.name);
              }}
            />
          ))}
          {drawn.edges.map((edge) => (
            <EdgeLabel key={edge.id} edge={edge} />
          ))}
        </g>
      </svg>
      <canvas class="graph-dots" ref={canvas} aria-hidden="true" />
      <div class="graph-tools">
        {props.children}
        <div class="graph-zoom" role="group" aria-label="Zoom">
          <button type="button" aria-label="Zoom in" title="Zoom in (+)" onClick={() => zoom(ZOOM_STEP)}>
            +
          </button>
          <button type="button" aria-label="Zoom out" title="Zoom out (−)" onClick={() => zoom(1 / ZOOM_STEP)}>
            −
          </button>
          <button type="button" title="Show all (0)" onClick={fitAll}>
            fit
          </button>
        </div>
      </div>
    </div>
  );
}

/** Shows the depth of the edge under the pointer, also from far away. */
function pointAt(world: Element, target: EventTarget | null): void {
  const id = target instanceof Element ? target.closest("[data-edge]")?.getAttribute("data-edge") : undefined;
  world.querySelector("[data-pointed]")?.removeAttribute("data-pointed");
  if (id !== undefined && id !== null)
    world.querySelector(`[data-label="${CSS.escape(id)}"]`)?.setAttribute("data-pointed", "");
}

/** Moves and zooms with wheel, mouse and fingers. */
function dragging(
  view: () => Viewport,
  chosen: { value: Viewport | undefined },
  drawn: DrawnGraph,
  size: ReadonlySignal<Size>,
) {
  const pointers = useRef(new Map<number, Point>());
  const at = (event: MouseEvent): Point => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const end = (event: PointerEvent): void => void pointers.current.delete(event.pointerId);
  return {
    onWheel(event: WheelEvent) {
      event.preventDefault();
      chosen.value = zoomAt(view(), Math.exp(-event.deltaY / 500), at(event));
    },
    onPointerDown(event: PointerEvent) {
      if (event.button === 0 && !(event.target as Element).closest("button"))
        pointers.current.set(event.pointerId, at(event));
    },
    onPointerMove(event: PointerEvent) {
      const before = pointers.current.get(event.pointerId);
      if (before === undefined) return;
      const now = at(event);
      const [other] = [...pointers.current].flatMap(([id, point]) => (id === event.pointerId ? [] : [point]));
      const by = { x: now.x - before.x, y: now.y - before.y };
      if (other !== undefined) {
        const ratio = distance(now, other) / Math.max(1, distance(before, other));
        chosen.value = zoomAt(view(), ratio, other);
      } else if (Math.abs(by.x) + Math.abs(by.y) < 3 && !isCaptured(event)) {
        // a click may tremble
        return;
      } else {
        (event.currentTarget as Element).setPointerCapture(event.pointerId);
        chosen.value = pan(view(), by, drawn, size.value);
      }
      pointers.current.set(event.pointerId, now);
    },
    onPointerUp: end,
    onPointerCancel: end,
  };
}

function isCaptured(event: PointerEvent): boolean {
  return (event.currentTarget as Element).hasPointerCapture(event.pointerId);
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
