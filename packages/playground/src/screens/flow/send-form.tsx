import { useSignal } from "@preact/signals";
import { api } from "../../api/routes.ts";
import { sampleOf } from "../../parts/sample-of.ts";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import type { FlowView } from "../../protocol.ts";
import { pathTo } from "../../routing/route-pattern.ts";

/** Sends messages into the flow: one, several at once, or so many a second. */
export function SendForm({ view }: { readonly view: FlowView }) {
  const text = useSignal(JSON.stringify(sampleOf(view.inputSchema, view.takesText), undefined, 2));
  const tenant = useSignal("");
  const count = useSignal(1);
  const rate = useSignal(0);
  const sent = useSignal<{ readonly runId: string; readonly count: number } | undefined>(undefined);
  const failure = useSignal<unknown>(undefined);
  const isBusy = useSignal(false);
  const send = async (): Promise<void> => {
    failure.value = undefined;
    let input: unknown;
    try {
      input = JSON.parse(text.value);
    } catch (error) {
      failure.value = error;
      return;
    }
    isBusy.value = true;
    try {
      const started = await api.startRun(view.name, {
        input,
        ...(tenant.value !== "" && { tenant: tenant.value }),
        ...(count.value > 1 && { count: count.value }),
        ...(rate.value > 0 && { rate: rate.value }),
      });
      sent.value = { runId: started.runId, count: count.value };
    } catch (error) {
      failure.value = error;
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
      <label>
        <span class="label">Input, as JSON</span>
        <textarea
          class="field mono"
          rows={9}
          spellcheck={false}
          value={text}
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
      </label>
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
