import { useEffect, useState } from "preact/hooks";
import type { GraphJson } from "../protocol.ts";
import type { DrawnGraph } from "./drawn-graph.ts";
import { layoutGraph, type LayoutOptions } from "./layout-graph.ts";

/** Lays out a graph when it is shown, and again when it changes; `undefined` until the layout is there. */
export function useDrawing(graph: GraphJson | undefined, options?: LayoutOptions): DrawnGraph | undefined {
  const [state, setState] = useState<{ readonly of: GraphJson; readonly drawn: DrawnGraph }>();
  useEffect(() => {
    let isWanted = true;
    const draw = async (of: GraphJson): Promise<void> => {
      const drawn = await layoutGraph(of, options);
      if (isWanted) setState({ of, drawn });
    };
    if (graph !== undefined) void draw(graph);
    return () => {
      isWanted = false;
    };
  }, [graph, options]);
  return state !== undefined && state.of === graph ? state.drawn : undefined;
}
