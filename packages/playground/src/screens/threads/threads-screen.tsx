import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api } from "../../api/routes.ts";
import { Empty } from "../../parts/empty.tsx";
import { ago, count, plural } from "../../parts/figures.ts";
import { Header } from "../../parts/header.tsx";
import { focusOnMount } from "../../parts/focus-on-mount.tsx";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import { pathTo } from "../../routing/route-pattern.ts";
import { query, setQuery } from "../../routing/router.ts";
import { useKeys } from "../../routing/use-keys.tsx";
import type { ThreadSummary } from "../../protocol.ts";
import { isReadOnly, onThread } from "../../store/project.ts";

/** All threads, the newest first. */
export function Screen() {
  const text = query.value.get("q") ?? "";
  const { value, error, isLoading, again } = useLoaded(`threads ${text}`, () => api.threads({ q: text }));
  const more = useSignal<readonly ThreadSummary[]>([]);
  const next = useSignal<string | undefined>(undefined);
  const problem = useSignal<unknown>(undefined);
  const filter = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    more.value = [];
    next.value = value?.next;
  }, [value]);
  useEffect(() => onThread(again), [again]);
  function move(step: number): void {
    const links = [...(list.current?.querySelectorAll<HTMLElement>("a") ?? [])];
    const here = links.findIndex((link) => link === document.activeElement);
    links[here === -1 ? 0 : Math.min(links.length - 1, Math.max(0, here + step))]?.focus();
  }
  useKeys([
    { keys: "/", label: "Filter", run: () => filter.current?.focus() },
    { keys: "j", label: "Next thread", run: () => move(1) },
    { keys: "k", label: "Previous thread", run: () => move(-1) },
  ]);
  async function attempt(action: () => Promise<void>): Promise<void> {
    try {
      problem.value = undefined;
      await action();
    } catch (cause) {
      problem.value = cause;
    }
  }
  const remove = (id: string): Promise<void> =>
    attempt(async () => {
      await api.deleteThread(id);
      again();
    });
  const readMore = (): Promise<void> =>
    attempt(async () => {
      const page = await api.threads({ q: text, cursor: next.value });
      more.value = [...more.value, ...page.items];
      next.value = page.next;
    });
  const threads = [...(value?.items ?? []), ...more.value];
  return (
    <>
      <Header title="Threads" note={threads.length === 0 ? undefined : plural(threads.length, "thread")}>
        <a class="button primary" href="/">
          <Icon name="plus" size={14} /> New thread
        </a>
      </Header>
      <div class="page">
        <label class="search">
          <Icon name="search" size={14} />
          <span class="sr-only">Filter threads</span>
          <input
            ref={filter}
            type="search"
            placeholder="Filter threads"
            value={text}
            onInput={(event) => setQuery({ q: event.currentTarget.value })}
          />
        </label>
        {[error, problem.value].map((cause, index) =>
          cause === undefined ? null : <Problem key={index} error={cause} again={again} />,
        )}
        {threads.length === 0 && !isLoading && error === undefined ? (
          <Empty
            icon="threads"
            title={text === "" ? "No threads yet" : "No thread fits"}
            text="A thread begins with your first message, and is kept over reloads and restarts."
            links={[
              ["/", "New thread"],
              ["/runs", "Runs"],
              ["/flows", "Flows"],
            ]}
          />
        ) : (
          <ul ref={list} class="card rows">
            {threads.map((thread) => (
              <li key={thread.id} class="row">
                <a href={pathTo("threads", thread.id)} class="row-link">
                  <span class="row-title">{thread.title === "" ? "Empty thread" : thread.title}</span>
                  <span class="row-note num">
                    {[
                      thread.flow,
                      plural(thread.turnCount, "turn"),
                      thread.tokens === undefined || thread.tokens === 0 ? "" : `${count(thread.tokens)} tok`,
                      ago(thread.at),
                    ]
                      .filter((part) => part !== "")
                      .join(" · ")}
                  </span>
                </a>
                {thread.state === "new" ? <span class="tag">new</span> : <StateBadge state={thread.state} />}
                {isReadOnly.value ? null : <RemoveButton name={thread.title} remove={() => void remove(thread.id)} />}
              </li>
            ))}
          </ul>
        )}
        {next.value === undefined ? null : (
          <button type="button" class="button" onClick={() => void readMore()}>
            Older threads
          </button>
        )}
      </div>
    </>
  );
}

/** Deletes in two clicks, so that one by mistake loses nothing. */
function RemoveButton({ name, remove }: { readonly name: string; readonly remove: () => void }) {
  const isSure = useSignal(false);
  return isSure.value ? (
    <button
      type="button"
      class="button danger small"
      ref={focusOnMount}
      onBlur={() => (isSure.value = false)}
      onClick={remove}
    >
      Delete with its runs
    </button>
  ) : (
    <button
      type="button"
      class="button quiet small"
      aria-label={`Delete the thread ${name}`}
      onClick={() => (isSure.value = true)}
    >
      <Icon name="trash" size={14} />
    </button>
  );
}
