import { useSignal } from "@preact/signals";
import { api } from "../../api/routes.ts";
import { ago, cost, plural, shortId, span, tokens } from "../../parts/figures.ts";
import { Header } from "../../parts/header.tsx";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import type { CancelReport, RunView } from "../../protocol.ts";
import { pathTo } from "../../routing/route-pattern.ts";
import { query, setQuery } from "../../routing/router.ts";
import { isReadOnly } from "../../store/project.ts";
import { isOpen } from "../../store/run-state.ts";

/** State, identity and actions of a run. */
export function RunHeader({ run }: { readonly run: RunView }) {
  const report = useSignal<CancelReport | undefined>(undefined);
  const failure = useSignal<unknown>(undefined);
  const panel = query.value.get("panel");
  const show = (wanted: string): void => setQuery({ panel: panel === wanted ? undefined : wanted });
  const cancel = async (): Promise<void> => {
    failure.value = undefined;
    try {
      report.value = await api.cancelRun(run.flow, run.id);
    } catch (error) {
      failure.value = error;
    }
  };
  const letGo = async (): Promise<void> => {
    failure.value = undefined;
    try {
      await api.changeEntry(run.flow, { letGo: "run", run: run.id });
    } catch (error) {
      failure.value = error;
    }
  };
  const figures = [
    run.tenant,
    run.durationMs === undefined ? `began ${ago(run.startedAt)}` : span(run.durationMs),
    run.retries > 0 ? `${run.retries} ${run.retries === 1 ? "retry" : "retries"}` : "",
    run.tokens === undefined ? "" : tokens(run.tokens),
    run.costUsd === undefined ? "" : cost(run.costUsd),
  ].filter((text) => text !== "");
  const a = `${run.flow}/${run.id}`;
  const compared = run.again === undefined ? { a } : { a: `${run.flow}/${run.again.of}`, b: a };
  return (
    <>
      <Header
        title={
          <span class="mono run-title" title={run.id}>
            {shortId(run.id)}
          </span>
        }
        note={
          <span class="run-note">
            <StateBadge state={run.state} />
            <span>
              <a href={pathTo("flows", run.flow)}>{run.flow}</a> · {figures.join(" · ")}
            </span>
            {run.again === undefined ? null : (
              <span>
                again of <a href={pathTo("runs", run.flow, run.again.of)}>{shortId(run.again.of)}</a>
              </span>
            )}
            {run.thread === undefined ? null : <a href={pathTo("threads", run.thread)}>thread</a>}
          </span>
        }
      >
        {isReadOnly.value || !isOpen(run) ? null : (
          <button type="button" class="button danger" onClick={() => void cancel()}>
            <Icon name="stop" /> Cancel
          </button>
        )}
        {isReadOnly.value ? null : (
          <button type="button" class="button" aria-pressed={panel === "again"} onClick={() => show("again")}>
            <Icon name="again" /> Run again
          </button>
        )}
        <a class="button" href={`/compare?${new URLSearchParams(compared).toString()}`}>
          <Icon name="compare" /> Compare
        </a>
        {isReadOnly.value ? null : (
          <button
            type="button"
            class="button primary"
            aria-pressed={panel === "test"}
            disabled={isOpen(run) || !run.isWhole}
            title={run.isWhole ? undefined : "Only a run that was recorded from its start to its end becomes a test"}
            onClick={() => show("test")}
          >
            <Icon name="flask" /> Make a test
          </button>
        )}
      </Header>
      <p role="status" class={report.value === undefined ? "sr-only" : "run-report"}>
        {report.value === undefined
          ? ""
          : `Cancelled: ${plural(report.value.stopped, "handler")} stopped, ${report.value.givenUp} given up, ${plural(report.value.dropped, "message")} dropped.`}
      </p>
      {failure.value === undefined ? null : <Problem error={failure.value} />}
      {run.error === undefined ? null : (
        <p class="run-error">
          <Icon name="cross" />
          <span>
            <strong>{run.error.code}</strong> {run.error.node === undefined ? "" : `at ${run.error.node}: `}
            {run.error.message}
          </span>
        </p>
      )}
      {run.isHeld !== true ? null : (
        <p class="run-paused">
          <Icon name="pause" /> Its message waits: the entry of <a href={pathTo("flows", run.flow)}>{run.flow}</a> is
          held.
          {isReadOnly.value ? null : (
            <button type="button" class="button" onClick={() => void letGo()}>
              Let it go
            </button>
          )}
        </p>
      )}
      {run.openPauses === 0 ? null : (
        <p class="run-paused">
          <Icon name="pause" /> {plural(run.openPauses, "question")} of this run{" "}
          {run.openPauses === 1 ? "waits" : "wait"} for an answer.{" "}
          <a href={`/approvals?run=${encodeURIComponent(run.id)}`}>Answer</a>
        </p>
      )}
    </>
  );
}
