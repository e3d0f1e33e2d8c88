import { useSignal } from "@preact/signals";
import { ago } from "../../parts/figures.ts";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import { StateSign, toneOf } from "../../parts/state-badge.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import { pathTo } from "../../routing/route-pattern.ts";
import { api } from "../../api/routes.ts";
import type { FlowSummary, NewThreadMessage } from "../../protocol.ts";
import { setDraft } from "../../store/draft.ts";
import { isReadOnly } from "../../store/project.ts";
import { Composer } from "./composer.tsx";

const IDEAS = ["What can you do?", "Which tools do you have?", "Say hello"];

/** The start of a thread: things to ask, threads to go on with, and the box to write in. */
export function StartPage(props: {
  readonly flow: FlowSummary;
  readonly begin: (text: string, attachments: NewThreadMessage["attachments"]) => Promise<void>;
}) {
  const { flow } = props;
  const error = useSignal<unknown>(undefined);
  const recent = useLoaded(`threads ${flow.name}`, () => api.threads({ flow: flow.name }));
  const draft = `new ${flow.name}`;
  async function begin(text: string, attachments: NewThreadMessage["attachments"]): Promise<boolean> {
    try {
      await props.begin(text, attachments);
      return true;
    } catch (cause) {
      error.value = cause;
      return false;
    }
  }
  const threads = recent.value?.items.slice(0, 5) ?? [];
  return (
    <div class="chat">
      <div class="chat-scroll">
        <div class="chat-start">
          <span class="empty-sign">
            <Icon name="chat" size={24} />
          </span>
          <h2>Talk to {flow.name}</h2>
          <p>
            Its run is shown beside the answer: each node, tool call and question. Save your code, and go on in the same
            thread.
          </p>
          {isReadOnly.value ? null : (
            <div class="empty-actions">
              {IDEAS.map((idea) => (
                <button key={idea} type="button" class="button" onClick={() => void begin(idea, undefined)}>
                  {idea}
                </button>
              ))}
            </div>
          )}
          {threads.length === 0 ? null : (
            <section class="chat-recent" aria-labelledby="recent">
              <h3 id="recent" class="label">
                Go on with
              </h3>
              <ul>
                {threads.map((thread) => (
                  <li key={thread.id}>
                    <a href={pathTo("threads", thread.id)}>
                      <StateSign tone={toneOf(thread.state)} />
                      <span class="chat-recent-title">{thread.title === "" ? "Empty thread" : thread.title}</span>
                      <span class="quiet small">{ago(thread.at)}</span>
                    </a>
                  </li>
                ))}
              </ul>
            </section>
          )}
        </div>
      </div>
      {error.value === undefined ? null : <Problem error={error.value} />}
      <Composer
        flow={flow.name}
        draft={draft}
        mode="send"
        send={async (text, attachments) => {
          const isSent = await begin(text, attachments);
          if (isSent) setDraft(draft, "");
          return isSent;
        }}
      />
    </div>
  );
}
