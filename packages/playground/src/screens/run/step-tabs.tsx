import { api } from "../../api/routes.ts";
import { JsonView } from "../../parts/json-view.tsx";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import type { KeptMessage, RunView, StepMessages, StepView } from "../../protocol.ts";
import { query, setQuery } from "../../routing/router.ts";
import { isReadOnly } from "../../store/project.ts";
import { formatMs } from "../../timeline/time-scale.ts";
import { EventList } from "./events-tab.tsx";
import { Frame } from "./frame.tsx";
import { ModelTab } from "./model-tab.tsx";
import { Place } from "./place.tsx";
import { Tabs } from "./tabs.tsx";

const TABS = ["messages", "model", "events", "error", "logs"] as const;

/** A step: its messages, model calls, events, error and what was printed meanwhile. */
export function StepTabs({ run, step }: { readonly run: RunView; readonly step: StepView }) {
  const loaded = useLoaded(`${run.id} ${step.id} ${step.state}`, () => api.stepMessages(run.flow, run.id, step.id));
  const { value, error, again } = loaded;
  const wanted = query.value.get("tab");
  const current = TABS.find((tab) => tab === wanted) ?? "messages";
  const counts: Readonly<Record<string, number | undefined>> = {
    events: value?.events.length,
    error: value?.error === undefined ? 0 : 1,
    logs: value?.logs.length,
  };
  return (
    <Frame label={`Step ${step.node}, attempt ${step.attempt}`}>
      <header class="step-head">
        <h2>{[...step.path, step.node].join(" / ")}</h2>
        <span class="quiet">attempt {step.attempt}</span>
        <StateBadge state={step.state} />
        {step.effects === undefined || step.effects === "none" ? null : (
          <span class={`tag ${step.effects === "writes" ? "tone-retry" : ""}`}>{step.effects}</span>
        )}
        <button
          type="button"
          class="button quiet small step-close"
          aria-label="Close the step"
          onClick={() => setQuery({ step: undefined, tab: undefined })}
        >
          <Icon name="close" />
        </button>
      </header>
      {step.error === undefined ? null : (
        <p class="step-error">
          {step.error.message} {step.error.place === undefined ? null : <Place place={step.error.place} />}
        </p>
      )}
      <Tabs
        tabs={TABS.map((id) => ({ id, label: id, ...(counts[id] !== undefined && { count: counts[id] }) }))}
        current={current}
        onSelect={(id) => setQuery({ tab: id === "messages" ? undefined : id })}
      >
        {error === undefined ? null : <Problem error={error} again={again} />}
        {value === undefined ? null : <Tab tab={current} run={run} step={step} value={value} />}
      </Tabs>
      {isReadOnly.value || !step.canRunAgain ? null : (
        <footer class="inspector-foot">
          <button type="button" class="button" onClick={() => setQuery({ panel: "again" })}>
            <Icon name="again" /> Run again from here …
          </button>
          <span class="quiet small">The message can be edited first.</span>
        </footer>
      )}
    </Frame>
  );
}

function Tab(props: {
  readonly tab: (typeof TABS)[number];
  readonly run: RunView;
  readonly step: StepView;
  readonly value: StepMessages;
}) {
  const { tab, run, step, value } = props;
  switch (tab) {
    case "messages":
      return <Messages run={run} step={step} value={value} />;
    case "model":
      return <ModelTab run={run} step={step.id} />;
    case "events":
      return <EventList run={run} events={value.events} />;
    case "error":
      return value.error === undefined ? (
        <p class="inspector-none">This attempt has not failed.</p>
      ) : (
        <div class="inspector-parts">
          <section>
            <p>
              <code>{value.error.code}</code>
            </p>
            <p class="step-message">{value.error.message}</p>
            {value.error.place === undefined ? null : <Place place={value.error.place} />}
            {value.error.stack === undefined ? null : <pre class="step-stack">{value.error.stack}</pre>}
          </section>
        </div>
      );
    case "logs":
      return value.logs.length === 0 ? (
        <p class="inspector-none">Nothing was printed while it ran.</p>
      ) : (
        <ol class="log-lines">
          {value.logs.map(({ at, stream, text }, index) => (
            <li key={index} data-stream={stream}>
              <time>+{formatMs(Math.max(0, at - run.startedAt))}</time> {text}
            </li>
          ))}
        </ol>
      );
  }
}

function Messages({
  run,
  step,
  value,
}: {
  readonly run: RunView;
  readonly step: StepView;
  readonly value: StepMessages;
}) {
  const text = value.chunks.map((chunk) => chunk.text).join("");
  return (
    <div class="inspector-parts">
      {value.input === undefined ? (
        <p class="quiet small">The message that it was given was not kept.</p>
      ) : (
        <Kept run={run} from={step.from ?? "OpenSea"} to={step.node} message={value.input} />
      )}
      {text === "" ? null : (
        <section>
          <h3 class="label">Streamed</h3>
          <p class="step-message">{text}</p>
        </section>
      )}
      {value.outputs.map((message, index) => (
        <Kept key={index} run={run} from={step.node} to={message.node} message={message} />
      ))}
    </div>
  );
}

function Kept(props: {
  readonly run: RunView;
  readonly from: string;
  readonly to: string;
  readonly message: KeptMessage;
}) {
  const { run, from, to, message } = props;
  return (
    <section>
      <h3 class="message-head">
        <span>
          {from} <span class="quiet">→</span> {to}
        </span>
        <span class="quiet mono">+{formatMs(Math.max(0, message.at - run.startedAt))}</span>
      </h3>
      {message.cutAt === undefined ? (
        <JsonView value={message.payload} />
      ) : (
        <>
          <p class="quiet small">Too long: the first {message.cutAt} characters of its JSON.</p>
          <pre class="step-stack">{String(message.payload)}</pre>
        </>
      )}
      {message.meta === undefined || Object.keys(message.meta).length === 0 ? null : (
        <details class="message-meta">
          <summary class="quiet small">meta</summary>
          <JsonView value={message.meta} />
        </details>
      )}
    </section>
  );
}
