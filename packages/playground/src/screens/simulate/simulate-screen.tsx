import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ApiFailure } from "../../api/api-failure.ts";
import { get, part, send } from "../../api/request.ts";
import { readEvents } from "../../api/sse-reader.ts";
import { Empty } from "../../parts/empty.tsx";
import { count, plural } from "../../parts/figures.ts";
import { Header } from "../../parts/header.tsx";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import type { NewSimulation, SimulationFiles, SimulationItem } from "../../protocol.ts";
import { pathTo } from "../../routing/route-pattern.ts";
import { isReadOnly } from "../../store/project.ts";
import { SeedCanvas } from "./seed-canvas.tsx";
import { advanced, begun, type FailedSeed, type Simulation } from "./simulation.ts";

const DRAW_MS = 100;

/** Runs the project's simulations: a grid of seeds, the faults that occurred, and seeds that failed as runs. */
export function Screen() {
  const { value: found, error, again } = useLoaded("simulations", () => get<SimulationFiles>("simulate"));
  const file = useSignal<string | undefined>(undefined);
  const seeds = useSignal(1_000);
  const first = useSignal(1);
  const simulation = useSignal<Simulation | undefined>(undefined);
  const failure = useSignal<unknown>(undefined);
  const chosen = useSignal<number | undefined>(undefined);
  const leaving = useRef<AbortController>(undefined);
  useEffect(() => () => leaving.current?.abort(), []);
  const isRunning = simulation.value?.state === "running";
  const start = async (): Promise<void> => {
    leaving.current?.abort();
    const own = (leaving.current = new AbortController());
    failure.value = undefined;
    chosen.value = undefined;
    simulation.value = begun(first.value, seeds.value);
    const pending: SimulationItem[] = [];
    const show = (): void => {
      if (pending.length === 0 || simulation.value === undefined || own.signal.aborted) return;
      simulation.value = advanced(simulation.value, pending.splice(0));
    };
    const timer = setInterval(show, DRAW_MS);
    try {
      const wanted: NewSimulation = {
        ...(file.value !== undefined && { file: file.value }),
        seeds: seeds.value,
        from: first.value,
      };
      for await (const item of await openSimulation(wanted, own.signal)) pending.push(item);
      show();
    } catch (cause) {
      if (!own.signal.aborted) failure.value = cause;
    } finally {
      clearInterval(timer);
      if (!own.signal.aborted && simulation.value?.state === "running")
        simulation.value = { ...simulation.value, state: "stopped" };
    }
  };
  const stop = async (): Promise<void> => {
    const id = simulation.value?.id;
    if (id === undefined) return;
    try {
      await send("DELETE", `simulate/${part(id)}`);
      if (simulation.value !== undefined) simulation.value = { ...simulation.value, state: "stopped" };
    } catch (cause) {
      failure.value = cause;
    }
  };
  if (found !== undefined && found.files.length === 0) return <NoFile />;
  return (
    <>
      <Header title="Simulate" note="the real engine, many seeds, faults on purpose">
        {isRunning ? (
          <button type="button" class="button danger" onClick={() => void stop()}>
            <Icon name="stop" /> Stop
          </button>
        ) : null}
      </Header>
      <form
        class="filter-bar simulate-form"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <label>
          <span class="label">File</span>
          <select
            class="field"
            value={file.value ?? found?.files[0]?.file}
            onChange={(event) => (file.value = event.currentTarget.value)}
          >
            {found?.files.map((each) => (
              <option key={each.file} value={each.file}>
                {each.name} ({each.file})
              </option>
            ))}
          </select>
        </label>
        <NumberField
          label="Seeds"
          value={seeds.value}
          min={1}
          max={100_000}
          onChange={(value) => (seeds.value = value)}
        />
        <NumberField
          label="From seed"
          value={first.value}
          min={0}
          max={2 ** 31}
          onChange={(value) => (first.value = value)}
        />
        <button type="submit" class="button primary" disabled={isRunning || found === undefined || isReadOnly.value}>
          <Icon name="play" /> Simulate
        </button>
      </form>
      {error === undefined ? null : <Problem error={error} again={again} />}
      {failure.value === undefined ? null : <Problem error={failure.value} />}
      <div class="simulate">
        {simulation.value === undefined ? (
          <p class="simulate-hint">
            Each seed is another order of events, with other faults. A seed that fails opens as a run, and fails the
            same way each time.
          </p>
        ) : (
          <Result simulation={simulation.value} chosen={chosen.value} onChoose={(seed) => (chosen.value = seed)} />
        )}
      </div>
    </>
  );
}

function NoFile() {
  return (
    <>
      <Header title="Simulate" />
      <Empty
        icon="simulate"
        title="No simulation yet"
        text={
          <>
            A file <code>src/shop.sim.ts</code> that exports a flow, faults and a <code>check</code> is run here with as
            many seeds as you like.
          </>
        }
        links={[
          ["/flows", "Flows"],
          ["/lint", "Lint"],
          ["/runs", "Runs"],
        ]}
      />
    </>
  );
}

function NumberField(props: {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly onChange: (value: number) => void;
}) {
  const { label, value, min, max, onChange } = props;
  return (
    <label>
      <span class="label">{label}</span>
      <input
        class="field"
        type="number"
        min={min}
        max={max}
        value={value}
        onChange={(event) =>
          onChange(Math.min(max, Math.max(min, Math.trunc(event.currentTarget.valueAsNumber || min))))
        }
      />
    </label>
  );
}

function Result(props: {
  readonly simulation: Simulation;
  readonly chosen: number | undefined;
  readonly onChoose: (seed: number) => void;
}) {
  const { simulation, chosen, onChoose } = props;
  const { done, wanted, failures, faults, never, state } = simulation;
  const words = `${count(done)} of ${plural(wanted, "seed")}, ${failures.length === 0 ? "none" : count(failures.length)} failed`;
  const shown = failures.find(({ seed }) => seed === chosen);
  return (
    <>
      <section class="simulate-grid" aria-label="Seeds">
        <p class="simulate-words" role="status" data-loud={failures.length > 0}>
          {words}
          {state === "stopped" ? ", stopped" : ""}
        </p>
        {simulation.error === undefined ? null : <Problem error={new Error(simulation.error)} />}
        <SeedCanvas simulation={simulation} label={words} onChoose={onChoose} />
        <ul class="legend" aria-label="Colours of the seeds">
          <li>
            <i class="seed-key good" aria-hidden="true" /> passed
          </li>
          <li>
            <i class="seed-key faulty" aria-hidden="true" /> passed, with faults
          </li>
          <li>
            <i class="seed-key failed" aria-hidden="true" /> failed ✕
          </li>
        </ul>
      </section>
      <aside class="simulate-side">
        {chosen === undefined ? null : (
          <section>
            <h2 class="label">Seed {chosen}</h2>
            {shown === undefined ? <p class="small">It has not failed.</p> : <Failure failure={shown} />}
          </section>
        )}
        <section>
          <h2 class="label">Failed</h2>
          {failures.length === 0 ? <p class="quiet small">No seed so far.</p> : null}
          <ul class="failed-seeds">
            {failures.slice(0, 60).map(({ seed }) => (
              <li key={seed}>
                <button
                  type="button"
                  class="button small"
                  aria-pressed={seed === chosen}
                  onClick={() => onChoose(seed)}
                >
                  ✕ {seed}
                </button>
              </li>
            ))}
          </ul>
        </section>
        <section>
          <h2 class="label">Faults that occurred</h2>
          {faults.size === 0 ? <p class="quiet small">None so far.</p> : null}
          <ul class="travel-list">
            {[...faults]
              .sort(([, a], [, b]) => b - a)
              .map(([fault, times]) => (
                <li key={fault}>
                  <span>{fault}</span> <span class="quiet">{plural(times, "seed")}</span>
                </li>
              ))}
          </ul>
          {never.length === 0 ? null : (
            <p class="small simulate-never">
              <strong>Never occurred:</strong> {never.join(", ")}. The check says nothing about them.
            </p>
          )}
        </section>
      </aside>
    </>
  );
}

function Failure({ failure: { message, faults, run } }: { readonly failure: FailedSeed }) {
  return (
    <>
      <p class="step-error">{message ?? "The check has failed."}</p>
      {faults.length === 0 ? null : <p class="small">Faults: {faults.join(", ")}</p>}
      {run === undefined ? null : (
        <p class="drawer-actions">
          <a class="button" href={pathTo("runs", run.flow, run.id)}>
            <Icon name="runs" /> Open as a run
          </a>
          <a class="button" href={`${pathTo("runs", run.flow, run.id)}?panel=test`}>
            <Icon name="flask" /> Make a test
          </a>
        </p>
      )}
    </>
  );
}

async function openSimulation(wanted: NewSimulation, signal: AbortSignal): Promise<AsyncGenerator<SimulationItem>> {
  const response = await fetch("/api/simulate", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(wanted),
    signal,
  });
  if (!response.ok || response.body === null)
    throw ApiFailure.from(response.status, await response.json().catch(() => undefined));
  return readEvents<SimulationItem>(response.body);
}
