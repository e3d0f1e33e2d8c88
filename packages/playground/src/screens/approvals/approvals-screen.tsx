import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { messageOf } from "../../api/api-failure.ts";
import { api } from "../../api/routes.ts";
import { ApprovalCard } from "../../parts/approval-card.tsx";
import { Empty } from "../../parts/empty.tsx";
import { ago, instant, plural, shortId } from "../../parts/figures.ts";
import { Header } from "../../parts/header.tsx";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import { pathTo } from "../../routing/route-pattern.ts";
import { useKeys } from "../../routing/use-keys.tsx";
import type { PauseView } from "../../protocol.ts";
import { isReadOnly, openPauses, reload } from "../../store/project.ts";

/** All open questions of all flows, the oldest first. */
export function Screen() {
  const { value, error, isLoading, again } = useLoaded("pauses", () => api.pauses());
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  const refusals = useSignal<readonly string[]>([]);
  const list = useRef<HTMLUListElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    if (isFirst.current) isFirst.current = false;
    else again();
  }, [openPauses.value]);

  function move(step: number): void {
    const cards = [...(list.current?.querySelectorAll<HTMLElement>(".approval") ?? [])];
    const here = cards.findIndex((card) => card.contains(document.activeElement));
    const next = cards[here === -1 ? 0 : Math.min(cards.length - 1, Math.max(0, here + step))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }
  useKeys([
    { keys: "j", label: "Next question", run: () => move(1) },
    { keys: "k", label: "Previous question", run: () => move(-1) },
  ]);

  const pauses = value?.items ?? [];
  const approvals = pauses.filter((pause) => pause.kind === "approval" && chosen.value.has(pause.id));
  async function answerAll(decision: { readonly approved: boolean }): Promise<void> {
    const answers = await Promise.allSettled(approvals.map((pause) => api.answerPause(pause.id, decision)));
    refusals.value = answers.flatMap((answer, index) =>
      answer.status === "rejected" ? [`${approvals[index]?.tool ?? "A question"}: ${messageOf(answer.reason)}`] : [],
    );
    chosen.value = new Set();
    again();
  }
  function toggle(id: string): void {
    const next = new Set(chosen.value);
    if (!next.delete(id)) next.add(id);
    chosen.value = next;
  }

  return (
    <>
      <Header
        title="Approvals"
        note={pauses.length === 0 ? undefined : `${plural(pauses.length, "question")}, the oldest first`}
      >
        {approvals.length === 0 ? null : (
          <>
            <button type="button" class="button danger" onClick={() => void answerAll({ approved: false })}>
              Reject {approvals.length}
            </button>
            <button type="button" class="button primary" onClick={() => void answerAll({ approved: true })}>
              Approve {approvals.length}, as shown
            </button>
          </>
        )}
      </Header>
      <LostQuestions />
      {/* refusals stay when the last question is answered */}
      {refusals.value.length === 0 ? null : (
        <div class="page refusals">
          {refusals.value.map((text, index) => (
            <Problem key={index} error={text} />
          ))}
        </div>
      )}
      {error !== undefined && value === undefined ? (
        <div class="page">
          <Problem error={error} again={again} />
        </div>
      ) : pauses.length === 0 && !isLoading ? (
        <NothingOpen />
      ) : (
        <div class="page approvals">
          <ul ref={list}>
            {pauses.map((pause) => (
              <li key={pause.id}>
                <ApprovalCard pause={pause}>
                  <Facts
                    pause={pause}
                    isChosen={chosen.value.has(pause.id)}
                    toggle={
                      pauses.length > 1 && pause.kind === "approval" && !isReadOnly.value
                        ? () => toggle(pause.id)
                        : undefined
                    }
                  />
                </ApprovalCard>
              </li>
            ))}
          </ul>
        </div>
      )}
    </>
  );
}

function Facts({
  pause,
  isChosen,
  toggle,
}: {
  readonly pause: PauseView;
  readonly isChosen: boolean;
  readonly toggle: (() => void) | undefined;
}) {
  return (
    <div class="approval-facts">
      {toggle === undefined ? null : (
        <label class="approval-choose">
          <input type="checkbox" checked={isChosen} onChange={toggle} /> Choose
        </label>
      )}
      <span>{[pause.flow, ...pause.path, pause.node].join(" / ")}</span>
      <span>{pause.tenant}</span>
      <span title={instant(pause.since)}>asked {ago(pause.since)}</span>
      {pause.expiresAt === undefined ? null : <span>expires {instant(pause.expiresAt)}</span>}
      {pause.isVolatile ? <span class="tag tone-retry">ends with its process: the flow is not durable</span> : null}
      <span class="approval-links">
        {pause.thread === undefined ? null : <a href={pathTo("threads", pause.thread)}>Thread</a>}
        <a href={pathTo("runs", pause.flow, pause.runId)} class="mono">
          {shortId(pause.runId)}
        </a>
      </span>
    </div>
  );
}

/** Tells of questions that ended with the last save. */
function LostQuestions() {
  const { lostQuestions = 0, at = 0 } = reload.value ?? {};
  if (lostQuestions === 0) return null;
  return (
    <p class="lost-questions" role="status">
      <Icon name="barred" size={14} />
      <span>
        {plural(lostQuestions, "question")} ended with the code that the save of {instant(at)} replaced: a durable flow
        keeps its questions. <a href="/runs?state=stopped">The stopped runs</a> can be run again.
      </span>
    </p>
  );
}

function NothingOpen() {
  return (
    <Empty
      icon="approvals"
      title="Nothing waits for a decision"
      text={
        <>
          A tool with <code>approval</code>, or a node that calls <code>ctx.pause</code>, stops its run here until a
          person answers. A reload of the page loses nothing.
        </>
      }
      links={[
        ["/", "Chat"],
        ["/tools", "Tools and their rules"],
        ["/runs?state=paused", "Paused runs"],
      ]}
    />
  );
}
