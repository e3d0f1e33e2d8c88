import { useEffect, useState } from "preact/hooks";
import type { GraphJson } from "../protocol.ts";
import type { DrawnGraph } from "./drawn-graph.ts";
import { layoutGraph, type LayoutOptions } from "./layout-graph.ts";

/** Something with a graph, and its drawing: the two always fit. */
export interface Drawing<Source> {
  readonly of: Source;
  readonly drawn: DrawnGraph;
}

/**
 * Lays out the graph of something when it is shown, and again when its graph changes. The drawing before stays until the
 * new one is there.
 */
export function useDrawing<Source extends { readonly graph: GraphJson }>(
  source: Source | undefined,
  options?: LayoutOptions,
): Drawing<Source> | undefined {
  const [drawing, setDrawing] = useState<Drawing<Source> & { readonly shape: string }>();
  // code that was loaded again has most often the same graph
  const shape = JSON.stringify(source?.graph);
  useEffect(() => {
    let isWanted = true;
    const draw = async (of: Source): Promise<void> => {
      const drawn = await layoutGraph(of.graph, options);
      if (isWanted) setDrawing({ of, drawn, shape: JSON.stringify(of.graph) });
    };
    if (source !== undefined) void draw(source);
    return () => {
      isWanted = false;
    };
  }, [shape, options]);
  if (source === undefined || drawing === undefined) return drawing;
  return drawing.shape === shape ? { of: source, drawn: drawing.drawn } : drawing;
}
