import { Icon } from "../../parts/icon.tsx";
import type { ToolView } from "../../protocol.ts";

/** The effect class and approval rule of a tool. */
export function Rules({ tool }: { readonly tool: ToolView }) {
  return (
    <span class="tool-rules">
      {tool.effects === undefined ? null : (
        <span class={`tag ${tool.effects === "writes" ? "tone-retry" : ""}`}>{tool.effects}</span>
      )}
      {tool.approval === undefined || tool.approval === "never" ? null : (
        <span class="tag tone-paused">
          <Icon name="pause" size={11} /> approval: {tool.approval}
        </span>
      )}
    </span>
  );
}
