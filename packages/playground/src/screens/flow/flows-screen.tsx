import { Empty } from "../../parts/empty.tsx";
import { plural } from "../../parts/figures.ts";
import { Header } from "../../parts/header.tsx";
import { Icon } from "../../parts/icon.tsx";
import { pathTo } from "../../routing/route-pattern.ts";
import { flows, project } from "../../store/project.ts";

/** The flows of the project. */
export function Screen() {
  if (project.value === undefined) return <Header title="Flows" />;
  if (flows.value.length === 0)
    return (
      <>
        <Header title="Flows" />
        <Empty
          icon="flows"
          title="No flow yet"
          text="Export a flow or a planner from the project's entry file: it appears here once the file is saved."
          links={[
            ["/lint", "Look for problems"],
            ["/runs", "Earlier runs"],
            ["/", "Chat"],
          ]}
        />
      </>
    );
  return (
    <>
      <Header title="Flows" note={plural(flows.value.length, "flow")} />
      <div class="page">
        <ul class="flow-cards">
          {flows.value.map((flow) => (
            <li key={flow.name}>
              <a class="card flow-card" href={pathTo("flows", flow.name)}>
                <span class="flow-card-name">
                  <Icon name="flows" /> {flow.name}
                </span>
                <span class="quiet small">
                  {[
                    flow.kind,
                    plural(flow.nodeCount, "node"),
                    flow.isDurable ? "durable" : "",
                    flow.findingCount > 0 ? plural(flow.findingCount, "finding") : "",
                  ]
                    .filter((text) => text !== "")
                    .join(" · ")}
                </span>
                {flow.openPauses > 0 ? <span class="tag tone-paused">‖ {flow.openPauses} open</span> : null}
              </a>
            </li>
          ))}
        </ul>
      </div>
    </>
  );
}
