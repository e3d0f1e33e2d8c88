import type { ToolsView, ToolView } from "../../protocol.ts";

/** The tools of a source of a planner. */
export interface ToolGroup {
  readonly source: string;
  readonly flow: string;
  readonly tools: readonly ToolView[];
  /** Present when the source cannot be reached. */
  readonly error?: string;
}

/** Groups tools by their source: those in code first, then by name. Sources without tools are groups, too. */
export function groupsOf({ tools, sources }: ToolsView): readonly ToolGroup[] {
  const groups = new Map<string, { source: string; flow: string; tools: ToolView[]; error?: string }>();
  const groupOf = (source: string, flow: string): { tools: ToolView[]; error?: string } => {
    const key = JSON.stringify([flow, source]);
    const group = groups.get(key) ?? { source, flow, tools: [] };
    groups.set(key, group);
    return group;
  };
  for (const { name, flow, state, error } of sources) {
    const group = groupOf(name, flow);
    if (state === "failed") group.error = error ?? "The source gave no reason";
  }
  for (const tool of tools) groupOf(tool.source, tool.flow).tools.push(tool);
  const rank = ({ source }: ToolGroup): number => (source === "code" ? 0 : 1);
  return [...groups.values()].sort(
    (one, other) =>
      rank(one) - rank(other) || `${one.flow} ${one.source}`.localeCompare(`${other.flow} ${other.source}`),
  );
}
