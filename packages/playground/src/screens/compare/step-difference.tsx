import { api } from "../../api/routes.ts";
import { JsonView } from "../../parts/json-view.tsx";
import { Problem } from "../../parts/problem.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import type { CompareView, RunSummary, StepMessages, StepView } from "../../protocol.ts";
import { diffValues } from "../../timeline/value-diff.ts";
import { Differences } from "./differences.tsx";

interface StepDifferenceProps {
  readonly row: CompareView["rows"][number];
  readonly a: RunSummary;
  readonly b: RunSummary;
}

/** In what a step of two runs differs: its state, its message, and what it has sent. */
export function StepDifference({ row, a, b }: StepDifferenceProps) {
  const { value, error, again } = useLoaded(`${a.id} ${b.id} ${row.a?.id} ${row.b?.id}`, async () => {
    const [first, second] = await Promise.all([messagesOf(a, row.a), messagesOf(b, row.b)]);
    return { first, second };
  });
  return (
    <>
      <header class="step-head">
        <h2>{row.node}</h2>
        <span class="quiet">attempt {(row.a ?? row.b)?.attempt}</span>
      </header>
      {error === undefined ? null : <Problem error={error} again={again} />}
      {value === undefined ? null : <Messages first={value.first} second={value.second} />}
    </>
  );
}

function Messages({
  first,
  second,
}: {
  readonly first: StepMessages | undefined;
  readonly second: StepMessages | undefined;
}) {
  const count = Math.max(first?.outputs.length ?? 0, second?.outputs.length ?? 0);
  return (
    <div class="inspector-parts">
      <Pair title="Message to it" a={first?.input?.payload} b={second?.input?.payload} />
      {Array.from({ length: count }, (_, index) => {
        const target = first?.outputs[index]?.node ?? second?.outputs[index]?.node ?? "";
        return (
          <Pair
            key={index}
            title={`Message to ${target}`}
            a={first?.outputs[index]?.payload}
            b={second?.outputs[index]?.payload}
          />
        );
      })}
      <Pair title="Error" a={first?.error?.message} b={second?.error?.message} isOptional />
    </div>
  );
}

function Pair(props: {
  readonly title: string;
  readonly a: unknown;
  readonly b: unknown;
  readonly isOptional?: boolean;
}) {
  const { title, a, b } = props;
  if (props.isOptional === true && a === undefined && b === undefined) return null;
  const isOneSided = (a === undefined) !== (b === undefined);
  const diff = diffValues(a, b);
  const isSame = diff.differences.length === 0;
  const note = isSame ? "same" : isOneSided ? `only in the ${a === undefined ? "second" : "first"} run` : "";
  return (
    <section>
      <h3 class="message-head">
        <span>{title}</span>
        <span class="quiet">{note}</span>
      </h3>
      {isSame || isOneSided ? (
        <JsonView value={a ?? b} openDepth={1} />
      ) : (
        <Differences diff={diff} labels={["first", "second"]} />
      )}
    </section>
  );
}

async function messagesOf(run: RunSummary, step: StepView | undefined): Promise<StepMessages | undefined> {
  return step === undefined ? undefined : await api.stepMessages(run.flow, run.id, step.id);
}
