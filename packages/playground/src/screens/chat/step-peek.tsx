import { api } from "../../api/routes.ts";
import { JsonView } from "../../parts/json-view.tsx";
import { Problem } from "../../parts/problem.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import { pathTo } from "../../routing/route-pattern.ts";
import type { RunSummary, StepView } from "../../protocol.ts";

/** A step in short: what its node was given, what it sent, and its error. The run's page has the rest. */
export function StepPeek({ run, step }: { readonly run: RunSummary; readonly step: StepView }) {
  const { value, error, again } = useLoaded(`${run.id} ${step.id} ${step.state}`, () =>
    api.stepMessages(run.flow, run.id, step.id),
  );
  const failure = step.error ?? value?.error;
  return (
    <section class="side-part step-peek" aria-label={`Step ${step.node}`}>
      <header>
        <h2>
          {step.node} <span class="quiet small">attempt {step.attempt}</span>
        </h2>
        <a class="button small" href={`${pathTo("runs", run.flow, run.id)}?step=${encodeURIComponent(step.id)}`}>
          Open in the run
        </a>
      </header>
      {failure === undefined ? null : (
        <p class="ending tone-failed">
          {failure.message} {failure.place === undefined ? null : <code>{failure.place}</code>}
        </p>
      )}
      {error === undefined ? null : <Problem error={error} again={again} />}
      {value?.input === undefined ? null : (
        <>
          <p class="label">Was given</p>
          <JsonView value={value.input.payload} />
        </>
      )}
      {value?.outputs.map((message) => (
        <div key={`${message.node} ${message.lineage}`}>
          <p class="label">Sent to {message.node}</p>
          <JsonView value={message.payload} />
        </div>
      ))}
    </section>
  );
}
