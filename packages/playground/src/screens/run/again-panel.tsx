import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiFailure } from "../../api/api-failure.ts";
import { api } from "../../api/routes.ts";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import type { RunView, StepView } from "../../protocol.ts";
import { pathTo } from "../../routing/route-pattern.ts";
import { go, setQuery } from "../../routing/router.ts";
import { diffValues } from "../../timeline/value-diff.ts";
import { Differences } from "../compare/differences.tsx";
import { Frame } from "./frame.tsx";

/** Runs again: the whole run, or from a step on, with the kept message or an edited one. Nodes that write ask first. */
export function AgainPanel({ run, step }: { readonly run: RunView; readonly step: StepView | undefined }) {
  const original = useSignal<unknown>(step === undefined ? run.inputValue : undefined);
  const text = useSignal(step === undefined ? JSON.stringify(run.inputValue, undefined, 2) : "");
  const failure = useSignal<unknown>(undefined);
  const isBusy = useSignal(false);
  useEffect(() => {
    if (step === undefined) return;
    const read = async (): Promise<void> => {
      try {
        const { input } = await api.stepMessages(run.flow, run.id, step.id);
        original.value = input?.payload;
        text.value = JSON.stringify(input?.payload, undefined, 2) ?? "";
      } catch (error) {
        failure.value = error;
      }
    };
    void read();
  }, [step?.id]);
  const edited = parsed(text.value);
  const diff = edited.error === undefined ? diffValues(original.value, edited.value) : undefined;
  const isEdited = diff !== undefined && diff.differences.length > 0;
  const writes =
    failure.value instanceof ApiFailure && failure.value.code === "WRITES_UNCONFIRMED" ? failure.value : undefined;
  const start = async (allowWrites: boolean): Promise<void> => {
    failure.value = edited.error;
    if (edited.error !== undefined) return;
    isBusy.value = true;
    try {
      const { runId } = await api.runAgain(run.flow, run.id, {
        ...(step !== undefined && { from: step.id }),
        ...(isEdited && { input: edited.value }),
        ...(allowWrites && { allowWrites }),
      });
      go(pathTo("runs", run.flow, runId));
    } catch (error) {
      failure.value = error;
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <Frame label="Run again">
      <header class="step-head">
        <h2>{step === undefined ? "Run again" : `Run again from ${step.node}`}</h2>
        <button
          type="button"
          class="button quiet small step-close"
          aria-label="Close"
          onClick={() => setQuery({ panel: undefined })}
        >
          <Icon name="close" />
        </button>
      </header>
      <form
        class="inspector-form"
        onSubmit={(event) => {
          event.preventDefault();
          void start(false);
        }}
      >
        <p class="quiet small">
          {step === undefined
            ? "A new run of the same input on the code as it is now."
            : `A new run begins at ${step.node} with this message; nodes before it do not run.`}
        </p>
        <label>
          <span class="label">{step === undefined ? "Input" : `Message to ${step.node}`}, as JSON</span>
          <textarea
            class="field mono"
            rows={12}
            spellcheck={false}
            aria-invalid={edited.error !== undefined && text.value !== ""}
            value={text}
            onInput={(event) => {
              text.value = event.currentTarget.value;
              failure.value = undefined;
            }}
          />
        </label>
        {isEdited ? <Differences diff={diff} labels={["was", "will be"]} /> : null}
        {writes === undefined ? (
          <button type="submit" class="button primary" disabled={isBusy.value || edited.error !== undefined}>
            <Icon name="play" /> {isEdited ? "Run with the edited message" : "Run"}
          </button>
        ) : (
          <div class="confirm" role="alert">
            <p>
              <strong>This writes.</strong> {writes.message}.
            </p>
            <div class="confirm-buttons">
              <button type="button" class="button danger" disabled={isBusy.value} onClick={() => void start(true)}>
                Run, and let it write
              </button>
              <button type="button" class="button" onClick={() => (failure.value = undefined)}>
                Do not run
              </button>
            </div>
          </div>
        )}
        {failure.value === undefined || writes !== undefined ? null : <Problem error={failure.value} />}
      </form>
    </Frame>
  );
}

function parsed(text: string): { readonly value?: unknown; readonly error?: unknown } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { error };
  }
}
