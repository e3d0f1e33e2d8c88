import type { SourceView, ToolsView, ToolView } from "../../protocol.ts";

/** The tools of a source of a planner. */
export interface ToolGroup {
  readonly source: string;
  readonly flow: string;
  readonly tools: readonly ToolView[];
  /** Absent for tools in code. */
  readonly from?: SourceView;
}

/** Groups tools by their source: those in code first, then by name. Sources without tools are groups, too. */
export function groupsOf({ tools, sources }: ToolsView): readonly ToolGroup[] {
  const groups = new Map<string, { source: string; flow: string; tools: ToolView[]; from?: SourceView }>();
  const groupOf = (source: string, flow: string): { tools: ToolView[]; from?: SourceView } => {
    const key = JSON.stringify([flow, source]);
    const group = groups.get(key) ?? { source, flow, tools: [] };
    groups.set(key, group);
    return group;
  };
  for (const from of sources) groupOf(from.name, from.flow).from = from;
  for (const tool of tools) groupOf(tool.source, tool.flow).tools.push(tool);
  const rank = ({ source }: ToolGroup): number => (source === "code" ? 0 : 1);
  return [...groups.values()].sort(
    (one, other) =>
      rank(one) - rank(other) || `${one.flow} ${one.source}`.localeCompare(`${other.flow} ${other.source}`),
  );
}
