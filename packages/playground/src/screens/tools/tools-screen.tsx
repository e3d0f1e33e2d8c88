import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../../api/routes.ts";
import { Empty } from "../../parts/empty.tsx";
import { count, plural, span } from "../../parts/figures.ts";
import { Header } from "../../parts/header.tsx";
import { Icon, type IconName } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import { pathTo } from "../../routing/route-pattern.ts";
import { go } from "../../routing/router.ts";
import { isReadOnly, reload } from "../../store/project.ts";
import type { SourceView, ToolsView, ToolView } from "../../protocol.ts";
import type { ScreenProps } from "../registry.ts";
import { groupsOf, type ToolGroup } from "./tool-groups.ts";
import { Rules } from "./rules.tsx";
import { ToolDetail } from "./tool-detail.tsx";

/** The tools of all planners by their source; one of them in full at the right. */
export function Screen({ params }: ScreenProps) {
  const { value, error, again } = useLoaded("tools", () => api.tools());
  useEffect(() => again(), [reload.value, again]);
  const { flow, name } = params;
  const tool = value?.tools.find((one) => one.flow === flow && one.name === name);
  return (
    <>
      <Header title="Tools" note={value === undefined ? undefined : noteOf(value)} />
      {error !== undefined && value === undefined ? (
        <div class="page">
          <Problem error={error} again={again} />
        </div>
      ) : value !== undefined && value.tools.length + value.sources.length === 0 ? (
        <NoTools />
      ) : (
        <div class="tools" data-open={tool !== undefined}>
          <div class="page">
            {groupsOf(value ?? { tools: [], sources: [] }).map((group) => (
              <Group key={`${group.flow} ${group.source}`} group={group} current={tool} again={again} />
            ))}
          </div>
          {tool === undefined ? null : <ToolDetail key={`${tool.flow} ${tool.name}`} tool={tool} />}
        </div>
      )}
    </>
  );
}

function noteOf({ tools, sources }: ToolsView): string {
  const failed = sources.filter((source) => source.state === "failed").length;
  const signedOut = sources.filter((source) => source.state === "sign-in").length;
  return [
    plural(tools.length, "tool"),
    ...(failed === 0 ? [] : [`${plural(failed, "source")} cannot be reached`]),
    ...(signedOut === 0 ? [] : [`${plural(signedOut, "source")} to sign in to`]),
  ].join(" · ");
}

const STATES: Readonly<Record<SourceView["state"], readonly [tone: string, icon: IconName, words: string]>> = {
  listed: ["tone-completed", "check", "connected"],
  failed: ["tone-failed", "cross", "cannot be reached"],
  "sign-in": ["tone-paused", "pause", "needs a sign-in"],
};

/** The state of a source, and the ways to change it: connect anew, or sign in, which becomes a run that asks. */
function SourceState({ from, again }: { readonly from: SourceView; readonly again: () => void }) {
  const error = useSignal<unknown>(undefined);
  const [tone, icon, words] = STATES[from.state];
  const { signIn } = from;
  const attempt = async (action: () => Promise<unknown>): Promise<void> => {
    try {
      error.value = undefined;
      await action();
    } catch (cause) {
      error.value = cause;
    }
  };
  const reconnect = async (): Promise<void> => {
    await api.reconnect(from.name, from.flow);
    again();
  };
  const connect = async (tool: string): Promise<void> => {
    const { runId } = await api.callTool(tool, { flow: from.flow, args: {} });
    go(pathTo("runs", from.flow, runId));
  };
  return (
    <>
      <span class={`badge ${tone}`}>
        <Icon name={icon} size={12} /> {words}
      </span>
      {isReadOnly.value ? null : (
        <span class="tool-source">
          {signIn === undefined ? null : (
            <button type="button" class="button primary" onClick={() => void attempt(() => connect(signIn))}>
              Sign in
            </button>
          )}
          <button type="button" class="button quiet" onClick={() => void attempt(reconnect)}>
            <Icon name="again" size={14} /> Reconnect
          </button>
        </span>
      )}
      {error.value === undefined ? null : <Problem error={error.value} />}
    </>
  );
}

function Group(props: {
  readonly group: ToolGroup;
  readonly current: ToolView | undefined;
  readonly again: () => void;
}) {
  const { group } = props;
  return (
    <section class="tool-group" aria-label={`Tools of ${group.source}`}>
      <header>
        <h2>{group.source === "code" ? "In code" : group.source}</h2>
        <span class="quiet small">{group.flow}</span>
        {group.from === undefined ? null : <SourceState from={group.from} again={props.again} />}
      </header>
      {group.from?.state === "failed" ? <Problem error={group.from.error ?? "The source gave no reason"} /> : null}
      {group.tools.length === 0 ? null : (
        <ul class="card rows">
          {group.tools.map((tool) => (
            <li key={tool.name} class="row" data-current={tool === props.current}>
              <a
                class="row-link"
                href={pathTo("tools", tool.flow, tool.name)}
                aria-current={tool === props.current ? "true" : undefined}
              >
                <span class="row-title mono">{tool.name}</span>
                <span class="row-note">{tool.description ?? "No description: the model sees only its name"}</span>
              </a>
              <Rules tool={tool} />
              <span class="tool-figures num">
                {count(tool.calls)} {tool.calls === 1 ? "call" : "calls"}
                {tool.errors === 0 ? "" : ` · ${tool.errors} failed`}
                {tool.p95Ms === undefined ? "" : ` · p95 ${span(tool.p95Ms)}`}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function NoTools() {
  return (
    <Empty
      icon="tools"
      title="No planner here has tools"
      text={
        <>
          Give a planner <code>tools</code>: nodes, other flows, an MCP server or an OpenAPI description. Each is listed
          here with its schemas and rules.
        </>
      }
      links={[
        ["/", "Chat"],
        ["/flows", "Flows"],
        ["/lint", "Lint"],
      ]}
    />
  );
}
