import { useSignal } from "@preact/signals";
import { api } from "../../api/routes.ts";
import { ApiFailure } from "../../api/api-failure.ts";
import { type FieldProblem, fieldsOf, initialValue, problemsIn, problemsOf } from "../../forms/schema-fields.ts";
import { SchemaForm } from "../../forms/schema-form.tsx";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import type { FlowView } from "../../protocol.ts";
import { pathTo } from "../../routing/route-pattern.ts";

/** Sends messages into the flow: one, several at once, or so many a second. */
export function SendForm({ view }: { readonly view: FlowView }) {
  const input = useSignal<unknown>(
    view.inputSchema === undefined ? (view.takesText ? "" : {}) : initialValue(view.inputSchema),
  );
  const problems = useSignal<readonly FieldProblem[]>([]);
  const tenant = useSignal("");
  const count = useSignal(1);
  const rate = useSignal(0);
  const sent = useSignal<{ readonly runId: string; readonly count: number } | undefined>(undefined);
  const failure = useSignal<unknown>(undefined);
  const isBusy = useSignal(false);
  const send = async (): Promise<void> => {
    failure.value = undefined;
    problems.value = problemsOf(fieldsOf(view.inputSchema), input.value);
    if (problems.value.length > 0) return;
    isBusy.value = true;
    try {
      const started = await api.startRun(view.name, {
        input: input.value,
        ...(tenant.value !== "" && { tenant: tenant.value }),
        ...(count.value > 1 && { count: count.value }),
        ...(rate.value > 0 && { rate: rate.value }),
      });
      sent.value = { runId: started.runId, count: count.value };
    } catch (error) {
      failure.value = error;
      if (error instanceof ApiFailure) problems.value = problemsIn(error.details);
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <form
      class="send-form"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <SchemaForm
        schema={view.inputSchema}
        value={input.value}
        onChange={(next) => (input.value = next)}
        problems={problems.value}
        isDisabled={isBusy.value}
      />
      <label>
        <span class="label">Tenant</span>
        <input
          class="field"
          placeholder="default"
          value={tenant}
          onInput={(event) => (tenant.value = event.currentTarget.value)}
        />
      </label>
      <div class="send-numbers">
        <label>
          <span class="label">Times</span>
          <input
            class="field"
            type="number"
            min={1}
            max={100_000}
            value={count}
            onInput={(event) => (count.value = Math.max(1, event.currentTarget.valueAsNumber || 1))}
          />
        </label>
        <label>
          <span class="label">A second (0: all at once)</span>
          <input
            class="field"
            type="number"
            min={0}
            max={1_000}
            value={rate}
            onInput={(event) => (rate.value = Math.max(0, event.currentTarget.valueAsNumber || 0))}
          />
        </label>
      </div>
      <button type="submit" class="button primary" disabled={isBusy.value}>
        <Icon name="play" /> {count.value > 1 ? `Send ${count.value} times` : "Send"}
      </button>
      <p role="status" class="small">
        {sent.value === undefined ? (
          ""
        ) : (
          <>
            {sent.value.count > 1 ? `${sent.value.count} runs are on their way, the first is ` : "On its way: "}
            <a href={pathTo("runs", view.name, sent.value.runId)}>{sent.value.runId}</a>
          </>
        )}
      </p>
      {failure.value === undefined ? null : <Problem error={failure.value} />}
    </form>
  );
}
