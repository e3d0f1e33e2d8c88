import type { ComponentChildren } from "preact";
import { Icon } from "../../parts/icon.tsx";
import type { FlowView } from "../../protocol.ts";
import { query, setQuery } from "../../routing/router.ts";
import { FlowTable } from "./flow-table.tsx";
import { NodePanel } from "./node-panel.tsx";
import { SendForm } from "./send-form.tsx";
import { TenantTable } from "./tenant-table.tsx";
import { TracePanel } from "./trace-panel.tsx";
import type { WatchedFlow } from "./watch-flow.ts";

/** The panel beside the picture: a node, a trace, tenants, the graph as a table, or the form to send something in. */
export function Drawer({ view, watched }: { readonly view: FlowView; readonly watched: WatchedFlow }) {
  const node = query.value.get("node");
  const trace = query.value.get("trace");
  const show = query.value.get("show");
  if (node !== null && view.graph.nodes.some(({ name }) => name === node))
    return (
      <Panel title={node}>
        <NodePanel view={view} watched={watched} name={node} />
      </Panel>
    );
  if (trace !== null)
    return (
      <Panel title="Trace">
        <TracePanel flow={view.name} watched={watched} trace={trace} />
      </Panel>
    );
  if (show === "send")
    return (
      <Panel title="Send something in">
        <SendForm view={view} />
      </Panel>
    );
  if (show === "tenants")
    return (
      <Panel title="Tenants">
        <TenantTable watched={watched} />
      </Panel>
    );
  if (show === "table")
    return (
      <Panel title="The graph as a table" isWide>
        <FlowTable view={view} watched={watched} />
      </Panel>
    );
  return null;
}

function Panel(props: { readonly title: string; readonly isWide?: boolean; readonly children: ComponentChildren }) {
  return (
    <aside class="drawer" data-wide={props.isWide === true} aria-label={props.title}>
      <header class="drawer-head">
        <h2>{props.title}</h2>
        <button
          type="button"
          class="button quiet small"
          aria-label="Close the panel"
          title="Close (Esc)"
          onClick={() => setQuery({ node: undefined, trace: undefined, show: undefined })}
        >
          <Icon name="close" />
        </button>
      </header>
      <div class="drawer-body">{props.children}</div>
    </aside>
  );
}
