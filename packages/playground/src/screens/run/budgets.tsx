import { cost, count, span } from "../../parts/figures.ts";
import type { RunView } from "../../protocol.ts";

/** Amounts that a run has spent of its deadline and budgets. */
export function Budgets({ run, now }: { readonly run: RunView; readonly now: number }) {
  const spentMs = (run.endedAt ?? now) - run.startedAt;
  return (
    <ul class="budgets" aria-label="Budgets">
      {run.deadlineAt === undefined ? null : (
        <Budget
          name="deadline"
          spent={spentMs}
          limit={run.deadlineAt - run.startedAt}
          text={`${span(spentMs)} of ${span(run.deadlineAt - run.startedAt)}`}
        />
      )}
      {run.budgets.map(({ name, spent, limit }) => (
        <Budget key={name} name={name} spent={spent} limit={limit} text={wordsOf(name, spent, limit)} />
      ))}
    </ul>
  );
}

function Budget(props: {
  readonly name: string;
  readonly spent: number;
  readonly limit: number | undefined;
  readonly text: string;
}) {
  const { name, spent, limit, text } = props;
  const part = limit === undefined || limit <= 0 ? undefined : Math.min(1, spent / limit);
  return (
    <li>
      <span class="quiet">{name}</span>
      {part === undefined ? null : (
        <span class="budget-bar" data-tight={part > 0.8} aria-hidden="true">
          <i style={{ width: `${part * 100}%` }} />
        </span>
      )}
      <span>{text}</span>
    </li>
  );
}

function wordsOf(name: string, spent: number, limit: number | undefined): string {
  const written = (value: number): string =>
    /cost|usd/i.test(name) ? cost(value) : /ms$/i.test(name) ? span(value) : count(value);
  return limit === undefined ? written(spent) : `${written(spent)} of ${written(limit)}`;
}
