import { api } from "../../api/routes.ts";
import { ago } from "../../parts/figures.ts";
import { Problem } from "../../parts/problem.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";

interface RunPickerProps {
  readonly title: string;
  /** Runs of this flow are offered; of all flows for "". */
  readonly flow: string;
  /** `FLOW/ID`; "" for none. */
  readonly value: string;
  readonly onPick: (value: string) => void;
}

/** The latest runs, of which one is to be chosen. */
export function RunPicker({ title, flow, value, onPick }: RunPickerProps) {
  const { value: page, error, again } = useLoaded(`pick ${flow}`, () => api.runs(flow === "" ? {} : { flow }));
  return (
    <fieldset class="card run-picker">
      <legend class="label">{title}</legend>
      {error === undefined ? null : <Problem error={error} again={again} />}
      {page?.items.length === 0 ? <p class="quiet small">There is no run yet.</p> : null}
      {page?.items.slice(0, 30).map((run) => {
        const id = `${run.flow}/${run.id}`;
        return (
          <label key={id}>
            <input type="radio" name={title} checked={id === value} onChange={() => onPick(id)} />
            <StateBadge state={run.state} />
            <span class="run-picker-text">{run.input}</span>
            <span class="quiet small">{ago(run.startedAt)}</span>
          </label>
        );
      })}
    </fieldset>
  );
}
