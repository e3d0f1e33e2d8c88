import { JsonView } from "../../parts/json-view.tsx";
import type { RunView, StepView } from "../../protocol.ts";
import { query, setQuery } from "../../routing/router.ts";
import { EventsTab } from "./events-tab.tsx";
import { Frame } from "./frame.tsx";
import { ModelTab } from "./model-tab.tsx";
import { StepTabs } from "./step-tabs.tsx";
import { Tabs } from "./tabs.tsx";
import type { Travel } from "./use-travel.ts";

interface InspectorProps {
  readonly run: RunView;
  readonly step: StepView | undefined;
  readonly travel: Travel;
}

/** Details of the chosen step, or of the whole run while none is chosen. */
export function Inspector({ run, step, travel }: InspectorProps) {
  if (step !== undefined) return <StepTabs key={step.id} run={run} step={step} />;
  const tab = query.value.get("tab") ?? "result";
  const goTo = (index: number): void => travel.goTo(index);
  return (
    <Frame label="The run">
      <Tabs
        tabs={[
          { id: "result", label: "result" },
          { id: "model", label: "model" },
          { id: "events", label: "events" },
        ]}
        current={["result", "model", "events"].includes(tab) ? tab : "result"}
        onSelect={(id) => setQuery({ tab: id === "result" ? undefined : id })}
      >
        {tab === "model" ? (
          <ModelTab run={run} />
        ) : tab === "events" ? (
          <EventsTab run={run} records={travel.records} current={travel.moment?.index} onSelect={goTo} />
        ) : (
          <Result run={run} />
        )}
      </Tabs>
    </Frame>
  );
}

function Result({ run }: { readonly run: RunView }) {
  return (
    <div class="inspector-parts">
      <section>
        <h3 class="label">Input</h3>
        <JsonView value={run.inputValue} />
      </section>
      {run.results.map((result, index) => (
        <section key={index}>
          <h3 class="label">{run.results.length === 1 ? "Result" : `Result ${index + 1} of ${run.results.length}`}</h3>
          <JsonView value={result} />
        </section>
      ))}
      {run.results.length === 0 ? (
        <p class="quiet small">It has given no result{run.endedAt === undefined ? " yet" : ""}.</p>
      ) : null}
      <p class="quiet small">Choose a step to see the messages that it was given and has sent.</p>
    </div>
  );
}
