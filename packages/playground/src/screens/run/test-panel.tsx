import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../../api/routes.ts";
import { CopyButton } from "../../parts/copy-button.tsx";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import type { NewTest, RunView, TestMade } from "../../protocol.ts";
import { setQuery } from "../../routing/router.ts";
import { Frame } from "./frame.tsx";
import { Place } from "./place.tsx";

/** Makes a test of a run: what it replays, the proof that it can fail, its text, and the file. */
export function TestPanel({ run }: { readonly run: RunView }) {
  const made = useSignal<TestMade | undefined>(undefined);
  const failure = useSignal<unknown>(undefined);
  const isBusy = useSignal(false);
  const runner = useSignal<NewTest["runner"]>(undefined);
  const forReal = useSignal<ReadonlySet<string>>(new Set());
  // a node that is unticked is no longer among those that the server replays: the list keeps it
  const known = useSignal<TestMade["replayed"]>([]);
  const make = async (write: boolean): Promise<void> => {
    failure.value = undefined;
    isBusy.value = true;
    try {
      const answer = await api.makeTest(run.flow, run.id, {
        ...(runner.value !== undefined && { runner: runner.value }),
        ...(write && { write }),
        runForReal: [...forReal.value],
      });
      made.value = answer;
      const names = new Set(known.value.map(({ node }) => node));
      known.value = [...known.value, ...answer.replayed.filter(({ node }) => !names.has(node))];
    } catch (error) {
      failure.value = error;
    } finally {
      isBusy.value = false;
    }
  };
  useEffect(() => void make(false), []);
  const toggle = (node: string): void => {
    const next = new Set(forReal.value);
    if (!next.delete(node)) next.add(node);
    forReal.value = next;
    void make(false);
  };
  const test = made.value;
  const isGood = test !== undefined && test.proof.passes && test.proof.failsWhenBroken;
  return (
    <Frame label="Make a test">
      <header class="step-head">
        <h2>Make a test</h2>
        <button
          type="button"
          class="button quiet small step-close"
          aria-label="Close"
          onClick={() => setQuery({ panel: undefined })}
        >
          <Icon name="close" />
        </button>
      </header>
      <div class="inspector-form">
        {failure.value === undefined ? null : <Problem error={failure.value} again={() => void make(false)} />}
        {test === undefined ? (
          <p role="status" class="quiet">
            {isBusy.value ? "Writing the test, and running it as it is and with a broken exit node …" : ""}
          </p>
        ) : (
          <>
            <ul class="proof" aria-label="Proof" aria-busy={isBusy.value}>
              <Proof holds={test.proof.passes} yes="Passes as it is" no="Does not pass as it is" />
              <Proof
                holds={test.proof.failsWhenBroken}
                yes="Fails when its exit node is broken"
                no="Passes although its exit node is broken: it proves nothing"
              />
            </ul>
            {test.proof.passes && !test.proof.failsWhenBroken ? (
              <p class="small">
                What is replayed is not asserted: untick the node that gives the result, and it runs for real.
              </p>
            ) : null}
            {isGood ? null : <pre class="step-stack">{test.proof.output}</pre>}
            <fieldset class="replayed" disabled={isBusy.value}>
              <legend class="label">Replayed; all else runs for real</legend>
              {known.value.length === 0 ? <p class="quiet small">Nothing: every node runs for real.</p> : null}
              {known.value.map(({ node, why }) => (
                <label key={node}>
                  <input type="checkbox" checked={!forReal.value.has(node)} onChange={() => toggle(node)} />
                  <span>
                    <strong>{node}</strong> <span class="quiet small">{why}</span>
                  </span>
                </label>
              ))}
            </fieldset>
            <label class="runner">
              <span class="label">Runner</span>
              <select
                class="field"
                value={test.runner}
                disabled={isBusy.value}
                onChange={(event) => {
                  runner.value = event.currentTarget.value === "vitest" ? "vitest" : "node:test";
                  void make(false);
                }}
              >
                <option value="vitest">vitest</option>
                <option value="node:test">node:test</option>
              </select>
            </label>
            <figure class="test-file">
              <figcaption>
                <span class="mono">{test.path}</span>
                <CopyButton text={test.text} />
              </figcaption>
              <pre tabIndex={0}>{test.text}</pre>
            </figure>
            {test.isWritten ? (
              <p role="status" class="written">
                <Icon name="check" /> Written. <Place place={test.path} />
              </p>
            ) : (
              <button
                type="button"
                class="button primary"
                disabled={isBusy.value || !isGood}
                onClick={() => void make(true)}
              >
                <Icon name="flask" /> Write {test.path}
              </button>
            )}
          </>
        )}
      </div>
    </Frame>
  );
}

function Proof({ holds, yes, no }: { readonly holds: boolean; readonly yes: string; readonly no: string }) {
  return (
    <li class={holds ? "tone-completed" : "tone-failed"}>
      <Icon name={holds ? "check" : "cross"} /> {holds ? yes : no}
    </li>
  );
}
