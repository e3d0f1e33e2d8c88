import { ago, instant, span, tokens } from "../../parts/figures.ts";
import { Icon } from "../../parts/icon.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import type { RunSummary } from "../../protocol.ts";
import { pathTo } from "../../routing/route-pattern.ts";

interface RunRowProps {
  readonly run: RunSummary;
  readonly isCurrent: boolean;
  readonly onPoint: () => void;
  readonly onAlike: () => void;
  /** Absent where nothing may be changed. */
  readonly onDelete: (() => void) | undefined;
}

/** A run of the list. */
export function RunRow({ run, isCurrent, onPoint, onAlike, onDelete }: RunRowProps) {
  return (
    <div class="run-row" data-current={isCurrent} onPointerDown={onPoint}>
      <StateBadge state={run.state} />
      <a class="run-link" href={pathTo("runs", run.flow, run.id)} aria-current={isCurrent ? "true" : undefined}>
        <span class="run-input">{run.input === "" ? run.id : run.input}</span>
        <span class="run-output">
          {run.error === undefined ? (run.output ?? "") : `${run.error.code} ${run.error.message}`}
        </span>
      </a>
      <span class="run-flow">{run.flow}</span>
      <span class="run-tenant quiet">{run.tenant}</span>
      <span class="run-figure">{run.retries === 0 ? "" : `↻${run.retries}`}</span>
      <span class="run-figure run-tokens quiet">{run.tokens === undefined ? "" : tokens(run.tokens)}</span>
      <span class="run-figure">{run.durationMs === undefined ? "" : span(run.durationMs)}</span>
      <time class="run-figure quiet" title={instant(run.startedAt)}>
        {ago(run.startedAt)}
      </time>
      <span class="run-tools">
        <button
          type="button"
          class="button quiet small"
          title="All runs like this (L)"
          aria-label={`All runs like ${run.id}`}
          onClick={onAlike}
        >
          <Icon name="search" size={14} />
        </button>
        {onDelete === undefined ? null : (
          <button
            type="button"
            class="button quiet small"
            title="Delete"
            aria-label={`Delete ${run.id}`}
            onClick={onDelete}
          >
            <Icon name="trash" size={14} />
          </button>
        )}
      </span>
    </div>
  );
}
