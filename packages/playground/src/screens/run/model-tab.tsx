import { api } from "../../api/routes.ts";
import { cost, span, tokens } from "../../parts/figures.ts";
import { JsonView } from "../../parts/json-view.tsx";
import { Problem } from "../../parts/problem.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import type { ModelCallView, RunView } from "../../protocol.ts";

/** The exact request and reply of each model call of a run, or of one of its steps. */
export function ModelTab({ run, step }: { readonly run: RunView; readonly step?: string }) {
  const { value, error, again } = useLoaded(`${run.id} ${step ?? ""} ${run.state} ${run.steps.length} model`, () =>
    api.modelCalls(run.flow, run.id, step),
  );
  if (error !== undefined) return <Problem error={error} again={again} />;
  if (value === undefined) return null;
  if (value.length === 0)
    return <p class="inspector-none">No model was called{step === undefined ? "" : " in this step"}.</p>;
  return (
    <div class="inspector-parts">
      {value.map((call) => (
        <Call key={`${call.step} ${call.call}`} call={call} />
      ))}
    </div>
  );
}

function Call({ call }: { readonly call: ModelCallView }) {
  const figures = [
    span(call.ms),
    call.tokens === undefined ? "" : tokens(call.tokens),
    call.costUsd === undefined ? "" : cost(call.costUsd),
  ].filter((text) => text !== "");
  return (
    <section>
      <h3 class="message-head">
        <span>
          {call.model} <span class="quiet">{call.provider}</span>
        </span>
        <span class="quiet mono">{figures.join(" · ")}</span>
      </h3>
      <div class="model-call">
        <div>
          <h4 class="label">Request</h4>
          <JsonView value={call.request} openDepth={3} />
        </div>
        <div>
          <h4 class="label">{call.error === undefined ? "Reply" : "Error"}</h4>
          {call.error === undefined ? (
            <JsonView value={call.reply} openDepth={3} />
          ) : (
            <p class="step-message">{call.error}</p>
          )}
        </div>
      </div>
    </section>
  );
}
