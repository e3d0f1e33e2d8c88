import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { Markdown } from "../../markdown/markdown.tsx";
import { ApprovalCard } from "../../parts/approval-card.tsx";
import { cost, plural, shortId, span, tokens } from "../../parts/figures.ts";
import { focusOnMount } from "../../parts/focus-on-mount.tsx";
import { Icon } from "../../parts/icon.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { JsonView } from "../../parts/json-view.tsx";
import { pathTo } from "../../routing/route-pattern.ts";
import type { CancelReport, PauseView, StepView, TurnPart, TurnView } from "../../protocol.ts";
import { isOpen } from "../../store/run-state.ts";
import { StepStrip } from "./step-strip.tsx";
import { ToolCard } from "./tool-card.tsx";

/** A message of a person, and the answer to it. */
export function Turn(props: {
  readonly turn: TurnView;
  readonly flow: string;
  readonly pauses: readonly PauseView[];
  readonly steps: readonly StepView[] | undefined;
  readonly edit: ((turn: number, text: string) => Promise<boolean>) | undefined;
  readonly report: CancelReport | undefined;
}) {
  const { turn, pauses } = props;
  const { run } = turn;
  const cards = new Set(turn.parts.flatMap((part) => (part.type === "call" ? [part.callId] : [])));
  const isLoose = (pause: PauseView): boolean => pause.callId === undefined || !cards.has(pause.callId);
  return (
    <article class="turn" aria-label={`Message ${turn.turn + 1}`}>
      <Question turn={turn} edit={props.edit} />
      <div class="answer">
        <header class="answer-head">
          <h2>{props.flow}</h2>
          <StateBadge state={run.state} />
          <span class="num">
            {[
              run.durationMs === undefined ? "" : span(run.durationMs),
              run.tokens === undefined ? "" : tokens(run.tokens),
              run.costUsd === undefined ? "" : cost(run.costUsd),
              run.retries === 0 ? "" : `↻${run.retries}`,
            ]
              .filter((text) => text !== "")
              .join("  ·  ")}
          </span>
          <a href={pathTo("runs", run.flow, run.id)} class="answer-run mono">
            {shortId(run.id)}
          </a>
        </header>
        {turn.parts.map((part, index) => (
          <Part
            key={index}
            part={part}
            isLast={index === turn.parts.length - 1}
            isGoingOn={run.state === "running"}
            isOver={!isOpen(run)}
            pause={part.type === "call" ? pauses.find((pause) => pause.callId === part.callId) : undefined}
          />
        ))}
        {pauses.filter(isLoose).map((pause) => (
          <ApprovalCard key={pause.id} pause={pause} />
        ))}
        {run.isHeld === true ? (
          <p class="quiet small">
            Held: it waits at the entry of <a href={pathTo("flows", run.flow)}>{run.flow}</a>.
          </p>
        ) : null}
        <Ending turn={turn} report={props.report} />
        {props.steps === undefined ? null : <StepStrip steps={props.steps} />}
      </div>
    </article>
  );
}

function Question({
  turn,
  edit,
}: {
  readonly turn: TurnView;
  readonly edit: ((turn: number, text: string) => Promise<boolean>) | undefined;
}) {
  const draft = useSignal<string | undefined>(undefined);
  if (draft.value !== undefined && edit !== undefined) {
    const text = draft.value;
    return (
      <form
        class="question-edit"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== "") void edit(turn.turn, text);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") draft.value = undefined;
          else return;
          event.stopPropagation();
        }}
      >
        <textarea
          class="field"
          rows={3}
          ref={focusOnMount}
          aria-label="Edit the message"
          value={text}
          onInput={(event) => (draft.value = event.currentTarget.value)}
        />
        <div>
          <span class="quiet small">Sent as a fork: this thread stays as it is.</span>
          <button type="button" class="button quiet" onClick={() => (draft.value = undefined)}>
            Back
          </button>
          <button type="submit" class="button primary" disabled={text.trim() === ""}>
            Send in a new thread
          </button>
        </div>
      </form>
    );
  }
  return (
    <div class="question">
      {edit === undefined ? null : (
        <button
          type="button"
          class="button quiet question-tool"
          aria-label="Edit the message"
          onClick={() => (draft.value = turn.text)}
        >
          <Icon name="edit" size={14} />
        </button>
      )}
      <div class="bubble">
        {turn.text}
        {(turn.attachments ?? []).map((file) => (
          <span key={file.name} class="tag">
            <Icon name="clip" size={11} /> {file.name}
          </span>
        ))}
      </div>
    </div>
  );
}

interface PartProps {
  readonly part: TurnPart;
  readonly isLast: boolean;
  readonly isGoingOn: boolean;
  readonly isOver: boolean;
  readonly pause: PauseView | undefined;
}

/** A part of an answer. One that has not changed is not rendered again. */
function Part({ part, isLast, isGoingOn, isOver, pause }: PartProps) {
  const isWriting = isLast && isGoingOn;
  return useMemo(() => showPart(part, isWriting, isOver, pause), [part, isWriting, isOver, pause]);
}

function showPart(part: TurnPart, isWriting: boolean, isOver: boolean, pause: PauseView | undefined) {
  switch (part.type) {
    case "text":
      return (
        <div class={part.isStruck === true ? "part is-struck" : "part"} data-writing={isWriting}>
          {part.isStruck === true ? <p class="label">Discarded: its attempt failed and was repeated</p> : null}
          <From path={part.path} />
          <Markdown text={part.text} />
        </div>
      );
    case "reasoning":
      return (
        <details class="thinking" open={isWriting}>
          <summary>Thinking</summary>
          <div class="plain">{part.text}</div>
        </details>
      );
    case "call":
      return pause === undefined ? <ToolCard call={part} /> : <ApprovalCard pause={pause} />;
    case "steer":
      return (
        <p class="steer" data-state={part.state}>
          <span class="tag">
            {part.state === "read" ? "steered" : isOver ? "not read: the run had ended" : "queued, not read yet"}
          </span>{" "}
          {part.text}
        </p>
      );
    case "result":
      return (
        <div class="card result">
          <p class="label">Result</p>
          <JsonView value={part.value} />
        </div>
      );
  }
}

function From({ path }: { readonly path: readonly string[] | undefined }) {
  return path === undefined || path.length === 0 ? null : <p class="label">{path.join(" / ")}</p>;
}

/** Says how a run ended that did not complete, or that nothing has come yet. */
function Ending({ turn, report }: { readonly turn: TurnView; readonly report: CancelReport | undefined }) {
  const { run } = turn;
  if (run.state === "cancelled") {
    return (
      <p class="ending tone-idle">
        <Icon name="barred" size={14} />
        {report === undefined
          ? "Stopped."
          : `Stopped: ${plural(report.stopped, "handler")} stopped, ${report.givenUp} given up, ${plural(report.dropped, "message")} dropped.`}
      </p>
    );
  }
  if (run.state === "stopped") {
    return (
      <p class="ending tone-idle">
        <Icon name="barred" size={14} />
        Its code was replaced by a save, or its process was stopped, before it ended. A durable flow would go on.
      </p>
    );
  }
  if (run.error !== undefined && !isOpen(run)) {
    return (
      <div class="ending tone-failed" role="alert">
        <Icon name="cross" size={14} />
        <span>
          {run.error.message} <code>{run.error.code}</code>
        </span>
      </div>
    );
  }
  if (run.state === "lost") {
    return <p class="ending tone-idle">Its process ended before it did. A durable flow would have gone on.</p>;
  }
  if (run.state === "empty") {
    return <p class="ending tone-idle">The work ran out, and nothing reached the end of the flow.</p>;
  }
  return null;
}
