import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api } from "../../api/routes.ts";
import { plural, shortId } from "../../parts/figures.ts";
import { Header } from "../../parts/header.tsx";
import { KeyHint } from "../../parts/key-hint.tsx";
import { Problem } from "../../parts/problem.tsx";
import { go } from "../../routing/router.ts";
import { pathTo } from "../../routing/route-pattern.ts";
import { useKeys } from "../../routing/use-keys.tsx";
import type { Attachment, CancelReport, PauseView, ThreadView } from "../../protocol.ts";
import { flows, isReadOnly } from "../../store/project.ts";
import { isOpen } from "../../store/run-state.ts";
import { Composer, type ComposerMode } from "./composer.tsx";
import { RunPanel } from "./run-panel.tsx";
import { useSteps } from "./use-steps.tsx";
import { liveTurn, type OpenThread } from "./thread-view.ts";
import { Turn } from "./turn.tsx";

/** A thread: its turns, the box below them, and the run at the right. */
export function ThreadPage({ open, thread }: { readonly open: OpenThread; readonly thread: ThreadView }) {
  const error = useSignal<unknown>(undefined);
  const report = useSignal<{ readonly run: string; readonly report: CancelReport } | undefined>(undefined);
  const live = open.live.value;
  const turns = thread.turns.map((turn) => liveTurn(turn, live));
  const run = turns.at(-1)?.run;
  const steps = useSteps(run, live);
  const isGoingOn = run !== undefined && isOpen(run);
  const pauses: readonly PauseView[] = isGoingOn && live?.run.id === run.id ? live.pauses : [];
  const isPlanner = flows.value.find(({ name }) => name === thread.flow)?.kind === "planner";
  const mode: ComposerMode = !isGoingOn ? "send" : pauses.length > 0 ? "answer" : isPlanner ? "steer" : "wait";
  const newThread = `/?flow=${encodeURIComponent(thread.flow)}`;
  useKeys([{ keys: "n", label: "New thread", run: () => go(newThread) }]);

  async function attempt(action: () => Promise<unknown>): Promise<boolean> {
    try {
      error.value = undefined;
      await action();
      return true;
    } catch (cause) {
      error.value = cause;
      return false;
    }
  }
  const send = (text: string, attachments: readonly Attachment[] | undefined): Promise<boolean> =>
    attempt(async () => {
      if (mode === "steer" && run !== undefined) await api.steerRun(run.flow, run.id, text);
      else {
        await api.sendMessage(thread.id, { text, ...(attachments === undefined ? {} : { attachments }) });
        await open.read();
      }
    });
  const stop = (): void =>
    void attempt(async () => {
      if (run !== undefined) report.value = { run: run.id, report: await api.cancelRun(run.flow, run.id) };
    });
  const edit = (turn: number, text: string): Promise<boolean> =>
    attempt(async () => {
      const fork = await api.newThread({ flow: thread.flow, forkOf: { id: thread.id, turn } });
      await api.sendMessage(fork.id, { text });
      go(pathTo("threads", fork.id));
    });
  function showQuestion(): void {
    const card = document.querySelector<HTMLElement>(".approval");
    card?.scrollIntoView({ block: "center" });
    card?.focus({ preventScroll: true });
  }

  return (
    <>
      <Header title={thread.flow} note={`thread ${shortId(thread.id.replace(/^thread-/, ""))}`}>
        <a class="button quiet" href={pathTo("threads", thread.id, "memory")}>
          Context
        </a>
        <a class="button" href={newThread}>
          New thread <KeyHint keys="n" />
        </a>
      </Header>
      <div class="chat-split">
        <div class="chat">
          <Log length={turns.length} text={turns.at(-1)?.parts}>
            {turns.map((turn) => (
              <Turn
                key={turn.run.id}
                turn={turn}
                flow={thread.flow}
                pauses={turn.run.id === run?.id ? pauses : []}
                steps={turn.run.id === run?.id ? steps : undefined}
                edit={isReadOnly.value || isGoingOn ? undefined : edit}
                report={report.value?.run === turn.run.id ? report.value.report : undefined}
              />
            ))}
          </Log>
          {error.value === undefined ? null : <Problem error={error.value} />}
          <Composer
            flow={thread.flow}
            draft={`thread ${thread.id}`}
            mode={mode}
            send={send}
            {...(isGoingOn && !isReadOnly.value ? { stop } : {})}
            {...(pauses.length > 0 ? { showQuestion } : {})}
          />
        </div>
        {run === undefined ? null : <RunPanel run={run} steps={steps} />}
      </div>
    </>
  );
}

/** The conversation. It follows its end while the reader is there, and stays where the reader has scrolled to. */
function Log(props: { readonly length: number; readonly text: unknown; readonly children: preact.ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    isAtEnd.current = true;
  }, [props.length]);
  useEffect(() => {
    if (isAtEnd.current) box.current?.scrollTo({ top: box.current.scrollHeight });
  });
  function onScroll(): void {
    const { current } = box;
    if (current !== null) isAtEnd.current = current.scrollHeight - current.scrollTop - current.clientHeight < 60;
  }
  return (
    <div
      ref={box}
      class="chat-scroll"
      role="log"
      aria-live="polite"
      aria-label={`Conversation, ${plural(props.length, "message")}`}
      tabIndex={0}
      onScroll={onScroll}
    >
      <div class="chat-turns">{props.children}</div>
    </div>
  );
}
