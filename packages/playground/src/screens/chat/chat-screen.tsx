import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../../api/routes.ts";
import { Empty } from "../../parts/empty.tsx";
import { Header } from "../../parts/header.tsx";
import { Problem } from "../../parts/problem.tsx";
import { go, query, setQuery } from "../../routing/router.ts";
import { pathTo } from "../../routing/route-pattern.ts";
import { flows, project } from "../../store/project.ts";
import type { ScreenProps } from "../registry.ts";
import { StartPage } from "./start-page.tsx";
import { ThreadPage } from "./thread-page.tsx";
import { openThread, type OpenThread } from "./thread-view.ts";

/** Chat: a thread with its run beside it, or the start of a new one. */
export function Screen({ params }: ScreenProps) {
  const id = params["id"];
  return id === undefined ? <NewThread /> : <Thread key={id} id={id} />;
}

function NewThread() {
  const error = useSignal<unknown>(undefined);
  const talking = flows.value.filter((flow) => flow.takesText);
  const flow = talking.find(({ name }) => name === query.value.get("flow")) ?? talking[0];
  if (project.value === undefined) return <Header title="Chat" />;
  if (flow === undefined) return <NothingToTalkTo />;
  const { name } = flow;
  async function begin(text: string, attachments: Parameters<typeof api.sendMessage>[1]["attachments"]): Promise<void> {
    const thread = await api.newThread({ flow: name });
    await api.sendMessage(thread.id, { text, ...(attachments === undefined ? {} : { attachments }) });
    go(pathTo("threads", thread.id));
  }
  return (
    <>
      <Header title={name} note="new thread">
        {talking.length > 1 ? (
          <select
            class="field chat-flow"
            aria-label="Flow to talk to"
            value={name}
            onChange={(event) => setQuery({ flow: event.currentTarget.value })}
          >
            {talking.map((one) => (
              <option key={one.name}>{one.name}</option>
            ))}
          </select>
        ) : null}
        <a class="button" href="/threads">
          All threads
        </a>
      </Header>
      {error.value === undefined ? null : <Problem error={error.value} />}
      <StartPage flow={flow} begin={begin} />
    </>
  );
}

function Thread({ id }: { readonly id: string }) {
  const opened = useSignal<OpenThread | undefined>(undefined);
  useEffect(() => {
    const thread = openThread(id);
    opened.value = thread;
    return () => thread.close();
  }, [id]);
  useSignalEffect(() => {
    const title = opened.value?.thread.value?.title;
    if (title !== undefined && title !== "") document.title = `${title} · ${project.value?.name ?? "PenguiFlow"}`;
  });
  const open = opened.value;
  const error = open?.error.value;
  if (open?.thread.value === undefined) {
    return (
      <>
        <Header title="Chat" />
        <div class="page">{error === undefined ? null : <Problem error={error} again={() => void open?.read()} />}</div>
      </>
    );
  }
  return <ThreadPage open={open} thread={open.thread.value} />;
}

function NothingToTalkTo() {
  return (
    <>
      <Header title="Chat" />
      <Empty
        icon="chat"
        title="No flow here takes a text"
        text={
          <>
            A planner, or a flow whose input is <code>{"{ text: string }"}</code>, can be talked to. Other flows take
            their input as a form.
          </>
        }
        links={[
          ["/flows", "Flows"],
          ["/runs", "Runs"],
          ["/tools", "Tools"],
        ]}
      />
    </>
  );
}
