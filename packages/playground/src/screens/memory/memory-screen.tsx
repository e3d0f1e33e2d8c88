import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../../api/routes.ts";
import { Empty } from "../../parts/empty.tsx";
import { ago, count, plural, shortId } from "../../parts/figures.ts";
import { focusOnMount } from "../../parts/focus-on-mount.tsx";
import { Header } from "../../parts/header.tsx";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import { pathTo } from "../../routing/route-pattern.ts";
import type { MemoryEdit, MemoryView } from "../../protocol.ts";
import { isReadOnly, onRun } from "../../store/project.ts";
import type { ScreenProps } from "../registry.ts";
import { fullness, KIND_NOTES, KIND_WORDS } from "./memory-budget.ts";

/** Memory that the next model call of a thread will see. Without a thread it lists the threads to look at. */
export function Screen({ params }: ScreenProps) {
  const id = params["id"];
  return id === undefined ? <Choose /> : <Memory key={id} id={id} />;
}

function Choose() {
  const { value, error, isLoading, again } = useLoaded("memory threads", () => api.threads());
  const threads = value?.items ?? [];
  return (
    <>
      <Header title="Memory" note="what the next model call of a thread will see" />
      {threads.length === 0 && !isLoading && error === undefined ? (
        <Empty
          icon="memory"
          title="No threads yet"
          text="Talk to a planner first; its memory of the thread is then shown here, with its tokens."
          links={[
            ["/", "Chat"],
            ["/threads", "Threads"],
            ["/flows", "Flows"],
          ]}
        />
      ) : (
        <div class="page">
          {error === undefined ? null : <Problem error={error} again={again} />}
          <ul class="card rows">
            {threads.map((thread) => (
              <li key={thread.id} class="row">
                <a class="row-link" href={pathTo("threads", thread.id, "memory")}>
                  <span class="row-title">{thread.title === "" ? "Empty thread" : thread.title}</span>
                  <span class="row-note num">
                    {thread.flow} · {plural(thread.turnCount, "turn")} · {ago(thread.at)}
                  </span>
                </a>
              </li>
            ))}
          </ul>
        </div>
      )}
    </>
  );
}

function Memory({ id }: { readonly id: string }) {
  const { value, error, again } = useLoaded(`memory ${id}`, () => api.memory(id));
  useEffect(() => onRun((run) => run.thread === id && again()), [id, again]);
  return (
    <>
      <Header title="Memory" note={`thread ${shortId(id.replace(/^thread-/, ""))}`}>
        <a class="button" href={pathTo("threads", id)}>
          Back to the thread
        </a>
      </Header>
      {value?.isKept === false ? (
        <Empty
          icon="memory"
          title="Nothing is remembered here"
          text={
            <>
              Its planner has no memory, so each message stands alone. Give it the option <code>memory</code>, and each
              turn is kept here with its tokens.
            </>
          }
          links={[
            [pathTo("threads", id), "Back to the thread"],
            ["/memory", "Other threads"],
            ["/threads", "All threads"],
          ]}
        />
      ) : (
        <Content thread={id} view={value} error={error} again={again} />
      )}
    </>
  );
}

function Content(props: {
  readonly thread: string;
  readonly view: MemoryView | undefined;
  readonly error: unknown;
  readonly again: () => void;
}) {
  const { view, error } = props;
  return (
    <div class="page memory">
      {error === undefined ? null : <Problem error={error} again={props.again} />}
      {view === undefined ? null : (
        <>
          <Budget view={view} />
          <Items view={view} thread={props.thread} again={props.again} />
        </>
      )}
    </div>
  );
}

function Budget({ view }: { readonly view: MemoryView }) {
  const { used, parts } = fullness(view);
  const limit = view.budgetTokens;
  return (
    <section class="card memory-budget" aria-labelledby="memory-budget">
      <h2 id="memory-budget">
        {count(used)} tokens{limit === undefined ? ", no limit" : ` of ${count(limit)}`}
      </h2>
      <div class="memory-bar" aria-hidden="true">
        {parts.map((part) => (
          <i key={part.kind} class={`memory-${part.kind}`} style={{ width: `${part.share * 100}%` }} />
        ))}
      </div>
      <ul class="memory-legend num">
        {parts.map((part) => (
          <li key={part.kind}>
            <i class={`memory-${part.kind}`} aria-hidden="true" /> {KIND_WORDS[part.kind]} {count(part.tokens)}
          </li>
        ))}
      </ul>
      <Resources names={view.resources} />
    </section>
  );
}

function Resources({ names }: { readonly names: readonly string[] }) {
  return names.length === 0 ? null : (
    <p class="memory-names">
      <span class="label">Resources, by name</span>
      {names.map((name) => (
        <code key={name} class="tag">
          {name}
        </code>
      ))}
    </p>
  );
}

interface ItemsProps {
  readonly view: MemoryView;
  readonly thread: string;
  readonly again: () => void;
}

function Items({ view, thread, again }: ItemsProps) {
  if (view.items.length === 0) {
    return (
      <Empty
        icon="memory"
        title="Nothing is remembered yet"
        text="The next model call sees only its prompt and the new message."
      />
    );
  }
  return (
    <ol class="card rows">
      {view.items.map((item) => (
        <Item key={item.at} item={item} thread={thread} again={again} />
      ))}
    </ol>
  );
}

function Item(props: {
  readonly item: MemoryView["items"][number];
  readonly thread: string;
  readonly again: () => void;
}) {
  const { item, thread } = props;
  const draft = useSignal<MemoryEdit | undefined>(undefined);
  const isForgetting = useSignal(false);
  const error = useSignal<unknown>(undefined);
  const what = KIND_WORDS[item.kind];
  async function change(action: Promise<unknown>): Promise<void> {
    try {
      error.value = undefined;
      await action;
      draft.value = undefined;
      props.again();
    } catch (cause) {
      error.value = cause;
    }
    isForgetting.value = false;
  }
  return (
    <li class="memory-item" data-kind={item.kind}>
      <div>
        <span class="memory-kind">
          <i class={`memory-${item.kind}`} aria-hidden="true" />
          {what}
        </span>
        <span class="memory-tools">
          {isReadOnly.value || draft.value !== undefined ? null : isForgetting.value ? (
            <>
              <button type="button" class="button quiet small" onClick={() => (isForgetting.value = false)}>
                Keep it
              </button>
              <button
                type="button"
                class="button danger small"
                onClick={() => void change(api.forget(thread, item.at))}
              >
                {item.kind === "summary" ? "Forget it, and the turns in it" : "Forget it"}
              </button>
            </>
          ) : (
            <>
              <Tool icon="edit" label={`Edit the ${what} item`} run={() => (draft.value = item.edit)} />
              <Tool icon="trash" label={`Forget the ${what} item`} run={() => (isForgetting.value = true)} />
            </>
          )}
          <span class="num quiet small">{count(item.tokens)} tok</span>
        </span>
      </div>
      {draft.value === undefined ? (
        <p class="memory-text">{item.text}</p>
      ) : (
        <EditForm
          edit={draft.value}
          onChange={(edit) => (draft.value = edit)}
          close={() => (draft.value = undefined)}
          save={(edit) => void change(api.editMemory(thread, item.at, edit))}
        />
      )}
      {error.value === undefined ? null : <Problem error={error.value} />}
      {item.why === undefined ? null : <p class="memory-why">{item.why}</p>}
      {item.kind === "turn" ? null : <p class="quiet small">{KIND_NOTES[item.kind]}</p>}
    </li>
  );
}

function Tool(props: { readonly icon: "edit" | "trash"; readonly label: string; readonly run: () => void }) {
  return (
    <button type="button" class="button quiet small" aria-label={props.label} title={props.label} onClick={props.run}>
      <Icon name={props.icon} size={14} />
    </button>
  );
}

const LABELS: Readonly<Record<string, string>> = { user: "Said by the user", answer: "Answer", summary: "Summary" };

/** The texts of an item, to be changed. The next model call sees what is saved. */
function EditForm(props: {
  readonly edit: MemoryEdit;
  readonly onChange: (edit: MemoryEdit) => void;
  readonly close: () => void;
  readonly save: (edit: MemoryEdit) => void;
}) {
  const { edit } = props;
  return (
    <form
      class="memory-edit"
      onSubmit={(event) => {
        event.preventDefault();
        props.save(edit);
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        props.close();
      }}
    >
      {Object.entries(edit).map(([name, text], index) => (
        <label key={name}>
          <span class="label">{LABELS[name]}</span>
          <textarea
            class="field"
            rows={3}
            {...(index === 0 ? { ref: focusOnMount } : {})}
            value={text}
            onInput={(event) => props.onChange({ ...edit, [name]: event.currentTarget.value })}
          />
        </label>
      ))}
      <div>
        <button type="button" class="button quiet" onClick={props.close}>
          Back
        </button>
        <button type="submit" class="button primary">
          Save
        </button>
      </div>
    </form>
  );
}
