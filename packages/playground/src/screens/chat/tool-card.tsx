import { span } from "../../parts/figures.ts";
import { Icon } from "../../parts/icon.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { oneLine } from "../../parts/json-text.ts";
import { JsonView } from "../../parts/json-view.tsx";
import type { TurnPart } from "../../protocol.ts";

/** A tool call: its name, arguments and time; opened, its input beside its output. */
export function ToolCard({ call }: { readonly call: Extract<TurnPart, { type: "call" }> }) {
  return (
    <details class="tool" data-state={call.state}>
      <summary>
        <Icon name="tools" size={14} />
        <code class="tool-name">{[...(call.path ?? []), call.tool].join(" / ")}</code>
        <code class="tool-args">{oneLine(call.args, 90)}</code>
        <span class="tool-end num">
          {call.effects === "writes" ? <span class="tag tone-retry">writes</span> : null}
          {call.attempts > 1 ? <span class="tone-retry tool-again">↻{call.attempts - 1}</span> : null}
          {call.state === "done" && call.ms !== undefined ? span(call.ms) : <StateBadge state={call.state} />}
        </span>
      </summary>
      {call.error === undefined ? null : <p class="form-problem">{call.error}</p>}
      <div class="tool-sides">
        <div>
          <p class="label">Input</p>
          <JsonView value={call.args} />
        </div>
        <div>
          <p class="label">{call.output === undefined && call.progress !== undefined ? "Progress" : "Output"}</p>
          {call.output === undefined && call.progress === undefined ? (
            <p class="quiet small">{call.state === "running" ? "It runs." : "None."}</p>
          ) : (
            <JsonView value={call.output ?? call.progress} />
          )}
        </div>
      </div>
    </details>
  );
}
