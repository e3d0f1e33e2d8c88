import { useSignal } from "@preact/signals";
import { api } from "../../api/routes.ts";
import { cost, instant, shortId, span, tokens } from "../../parts/figures.ts";
import { Header } from "../../parts/header.tsx";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import { StateBadge, StateSign, toneOf } from "../../parts/state-badge.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import type { CompareView, RunSummary, StepView } from "../../protocol.ts";
import { pathTo } from "../../routing/route-pattern.ts";
import { query, setQuery } from "../../routing/router.ts";
import { useKeys } from "../../routing/use-keys.tsx";
import { isReadOnly } from "../../store/project.ts";
import { tookMs } from "../../timeline/bars.ts";
import { formatMs } from "../../timeline/time-scale.ts";
import { RunPicker } from "./run-picker.tsx";
import { StepDifference } from "./step-difference.tsx";

/** Two runs side by side, aligned by node and attempt, with their first difference. */
export function Screen() {
  const a = query.value.get("a") ?? "";
  const b = query.value.get("b") ?? "";
  return (
    <>
      <Header title="Compare" note="two runs, step by step">
        {a === "" || b === "" ? null : (
          <button type="button" class="button" onClick={() => setQuery({ a: b, b: a, row: undefined })}>
            Swap
          </button>
        )}
      </Header>
      {a === "" || b === "" ? <Choose a={a} b={b} /> : <Compared key={`${a} ${b}`} a={a} b={b} />}
    </>
  );
}

function Choose({ a, b }: { readonly a: string; readonly b: string }) {
  const flow = (a === "" ? b : a).split("/")[0] ?? "";
  return (
    <div class="page">
      {a === "" ? null : <Again of={a} />}
      <div class="compare-choose">
        <RunPicker title="First run" flow={flow} value={a} onPick={(picked) => setQuery({ a: picked })} />
        <RunPicker title="Second run" flow={flow} value={b} onPick={(picked) => setQuery({ b: picked })} />
      </div>
    </div>
  );
}

/** Runs the input of a run again, on the code as it is now, to be compared with it. */
function Again({ of }: { readonly of: string }) {
  const failure = useSignal<unknown>(undefined);
  const isBusy = useSignal(false);
  const [flow = "", ...rest] = of.split("/");
  const again = async (): Promise<void> => {
    failure.value = undefined;
    isBusy.value = true;
    try {
      const { runId } = await api.runAgain(flow, rest.join("/"), {});
      setQuery({ b: `${flow}/${runId}` });
    } catch (error) {
      failure.value = error;
    } finally {
      isBusy.value = false;
    }
  };
  if (isReadOnly.value) return null;
  return (
    <div class="compare-again">
      <button type="button" class="button primary" disabled={isBusy.value} onClick={() => void again()}>
        <Icon name="again" /> Run it again and compare
      </button>
      <span class="quiet small">The same input, on the code as it is now. Or choose a second run:</span>
      {failure.value === undefined ? null : <Problem error={failure.value} />}
    </div>
  );
}

function Compared({ a, b }: { readonly a: string; readonly b: string }) {
  const { value, error, again } = useLoaded(`${a} ${b}`, () => api.compare(a, b));
  const wanted = Number(query.value.get("row") ?? value?.first?.row ?? -1);
  const move = (by: number): false | void => {
    const next = wanted + by;
    return value === undefined || next < 0 || next >= value.rows.length ? false : setQuery({ row: String(next) });
  };
  useKeys([
    { keys: "j", label: "Next step", run: () => move(1) },
    { keys: "k", label: "Step before", run: () => move(-1) },
  ]);
  if (error !== undefined)
    return (
      <div class="page">
        <Problem error={error} again={again} />
      </div>
    );
  if (value === undefined) return null;
  const row = value.rows[wanted];
  return (
    <div class="compare">
      <div class="compare-left">
        <div class="compare-heads">
          <Side run={value.a} title="First" onChange={() => setQuery({ a: undefined, row: undefined })} />
          <Side run={value.b} title="Second" onChange={() => setQuery({ b: undefined, row: undefined })} />
        </div>
        <p class="compare-first" data-same={value.first === undefined} role="status">
          <Icon name={value.first === undefined ? "check" : "compare"} />
          {value.first === undefined ? "Same steps, states and payloads." : `First difference: ${value.first.text}`}
        </p>
        <Rows value={value} selected={wanted} />
      </div>
      <section class="inspector" aria-label="The chosen step">
        {row === undefined ? (
          <p class="inspector-none">Choose a step to see in what it differs.</p>
        ) : (
          <StepDifference key={wanted} row={row} a={value.a} b={value.b} />
        )}
      </section>
    </div>
  );
}

function Side({
  run,
  title,
  onChange,
}: {
  readonly run: RunSummary;
  readonly title: string;
  readonly onChange: () => void;
}) {
  const figures = [
    run.durationMs === undefined ? "" : span(run.durationMs),
    run.tokens === undefined ? "" : tokens(run.tokens),
    run.costUsd === undefined ? "" : cost(run.costUsd),
  ].filter((text) => text !== "");
  return (
    <section class="compare-head" aria-label={`${title} run`}>
      <h2>
        <span class="quiet">{title}</span>{" "}
        <a class="mono" href={pathTo("runs", run.flow, run.id)} title={run.id}>
          {shortId(run.id)}
        </a>
      </h2>
      <p class="small">
        <StateBadge state={run.state} /> {figures.join(" · ")}
      </p>
      <p class="quiet small">
        {instant(run.startedAt)}{" "}
        <button type="button" class="link small" onClick={onChange}>
          another
        </button>
      </p>
    </section>
  );
}

function Rows({ value, selected }: { readonly value: CompareView; readonly selected: number }) {
  const longest = Math.max(
    1,
    ...value.rows.flatMap(({ a, b }) => [a, b].map((step) => (step === undefined ? 0 : took(step)))),
  );
  return (
    <table class="compare-rows">
      <thead>
        <tr>
          <th scope="col">node</th>
          <th scope="col">first</th>
          <th scope="col">second</th>
          <th scope="col">differs in</th>
        </tr>
      </thead>
      <tbody>
        {value.rows.map(({ node, a, b, differs }, index) => (
          <tr key={index} data-differs={differs.length > 0} data-selected={index === selected}>
            <th scope="row">
              <button
                type="button"
                class="link"
                aria-current={index === selected ? "step" : undefined}
                onClick={() => setQuery({ row: String(index) })}
              >
                {node}
              </button>
              {(a ?? b)?.attempt === 1 ? null : <span class="quiet"> ×{(a ?? b)?.attempt}</span>}
            </th>
            <td>{a === undefined ? <span class="quiet">did not run</span> : <Cell step={a} longest={longest} />}</td>
            <td>{b === undefined ? <span class="quiet">did not run</span> : <Cell step={b} longest={longest} />}</td>
            <td>
              {differs.map((kind) => (
                <span key={kind} class="tag tone-retry">
                  {kind}
                </span>
              ))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Cell({ step, longest }: { readonly step: StepView; readonly longest: number }) {
  const tone = toneOf(step.state);
  return (
    <span class={`compare-cell tone-${tone}`}>
      <StateSign tone={tone} />
      <span class="compare-bar" aria-hidden="true">
        <i style={{ width: `${(took(step) / longest) * 100}%` }} />
      </span>
      <span class="mono">{formatMs(took(step))}</span>
      <span class="sr-only">{step.state}</span>
    </span>
  );
}

function took(step: StepView): number {
  return tookMs(step, step.startedAt ?? step.queuedAt);
}
