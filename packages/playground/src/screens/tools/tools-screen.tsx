import { useEffect } from "preact/hooks";
import { api } from "../../api/routes.ts";
import { Empty } from "../../parts/empty.tsx";
import { count, plural, span } from "../../parts/figures.ts";
import { Header } from "../../parts/header.tsx";
import { Problem } from "../../parts/problem.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import { pathTo } from "../../routing/route-pattern.ts";
import { reload } from "../../store/project.ts";
import type { ToolsView, ToolView } from "../../protocol.ts";
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
  return `${plural(tools.length, "tool")}${failed === 0 ? "" : ` · ${plural(failed, "source")} cannot be reached`}`;
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
        {group.error === undefined ? null : <span class="badge tone-failed">cannot be reached</span>}
      </header>
      {group.error === undefined ? null : <Problem error={group.error} again={props.again} />}
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
