import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../../parts/icon.tsx";
import { KeyHint } from "../../parts/key-hint.tsx";
import { useKeys } from "../../routing/use-keys.tsx";
import type { Attachment } from "../../protocol.ts";
import { draftOf, setDraft } from "../../store/draft.ts";
import { isReadOnly } from "../../store/project.ts";
import { readAttachments } from "./attachments.ts";

/**
 * Action of the box: `send` a message, `steer` the run that goes on, `wait` for a run that takes no messages, or
 * lead to the question that is open (`answer`).
 */
export type ComposerMode = "send" | "steer" | "wait" | "answer";

interface ComposerProps {
  readonly flow: string;
  /** Key of the text that is kept while it is half written. */
  readonly draft: string;
  readonly mode: ComposerMode;
  /** @returns whether it was taken; the text stays otherwise */
  readonly send: (text: string, attachments: readonly Attachment[] | undefined) => Promise<boolean>;
  /** Present while a run can be stopped. */
  readonly stop?: () => void;
  /** Shows the open question. */
  readonly showQuestion?: () => void;
}

const PLACEHOLDERS: Readonly<Record<Exclude<ComposerMode, "send">, string>> = {
  steer: "Steer: the run reads it before its next step",
  wait: "The run goes on; it takes no messages meanwhile",
  answer: "Answer first: the run waits for a decision",
};

/** The box to write in. Enter sends; files can be dropped into it. */
export function Composer(props: ComposerProps) {
  const { mode } = props;
  const text = draftOf(props.draft);
  const files = useSignal<readonly Attachment[]>([]);
  const problem = useSignal("");
  const isOver = useSignal(false);
  const isSending = useSignal(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const takesText = (mode === "send" || mode === "steer") && !isReadOnly.value;
  const canSend = takesText && !isSending.value && (text.value.trim() !== "" || files.value.length > 0);

  useEffect(() => {
    const { current } = box;
    if (current === null) return;
    current.style.height = "auto";
    current.style.height = `${Math.min(current.scrollHeight, 200)}px`;
  }, [text.value]);
  useEffect(() => {
    // a disabled box has lost the focus
    if (mode === "send" && document.activeElement === document.body) box.current?.focus({ preventScroll: true });
  }, [mode]);
  useKeys([
    {
      keys: "Escape",
      label: "Stop the run",
      whileTyping: true,
      run: () => (props.stop === undefined ? false : props.stop()),
    },
    { keys: "i", label: "Write a message", run: () => box.current?.focus() },
  ]);

  async function send(): Promise<void> {
    if (!canSend) return;
    isSending.value = true;
    const given = text.value;
    const attached = files.value;
    setDraft(props.draft, "");
    files.value = [];
    const isTaken = await props.send(given, attached.length === 0 ? undefined : attached);
    if (!isTaken && text.value === "") {
      setDraft(props.draft, given);
      files.value = attached;
    }
    isSending.value = false;
  }
  async function attach(list: FileList | null | undefined): Promise<void> {
    const read = await readAttachments([...(list ?? [])]);
    files.value = [...files.value, ...read.attachments];
    problem.value = read.problem;
  }

  return (
    <form
      class="composer"
      data-over={isOver.value}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
      onDragOver={(event) => {
        event.preventDefault();
        isOver.value = mode === "send";
      }}
      onDragLeave={() => (isOver.value = false)}
      onDrop={(event) => {
        event.preventDefault();
        isOver.value = false;
        if (mode === "send") void attach(event.dataTransfer?.files);
      }}
    >
      {files.value.length === 0 ? null : (
        <ul class="composer-files">
          {files.value.map((file, index) => (
            <li key={`${file.name} ${index}`} class="tag">
              {file.name}
              <button
                type="button"
                aria-label={`Remove ${file.name}`}
                onClick={() => (files.value = files.value.filter((_file, at) => at !== index))}
              >
                <Icon name="close" size={11} />
              </button>
            </li>
          ))}
        </ul>
      )}
      <div class="composer-box">
        <textarea
          ref={box}
          rows={1}
          aria-label={mode === "steer" ? "Steer the run" : `Message ${props.flow}`}
          placeholder={mode === "send" ? `Message ${props.flow}` : PLACEHOLDERS[mode]}
          disabled={!takesText}
          autofocus={mode === "send"}
          value={text.value}
          onInput={(event) => setDraft(props.draft, event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            void send();
          }}
        />
        {mode === "answer" && props.showQuestion !== undefined ? (
          <button type="button" class="button" onClick={props.showQuestion}>
            Show the question
          </button>
        ) : null}
        {mode === "send" ? (
          <>
            <input
              ref={picker}
              type="file"
              multiple
              hidden
              onChange={(event) => void attach(event.currentTarget.files)}
            />
            <button
              type="button"
              class="button quiet composer-icon"
              aria-label="Attach files"
              onClick={() => picker.current?.click()}
              disabled={!takesText}
            >
              <Icon name="clip" />
            </button>
          </>
        ) : null}
        {props.stop === undefined ? null : (
          <button type="button" class="button danger" onClick={props.stop}>
            <Icon name="stop" size={14} /> Stop <KeyHint keys="Escape" />
          </button>
        )}
        {mode === "send" || (mode === "steer" && text.value.trim() !== "") ? (
          <button type="submit" class="button primary composer-icon" aria-label="Send" disabled={!canSend}>
            <Icon name="up" />
          </button>
        ) : null}
      </div>
      <p class="composer-hints">
        {problem.value === "" ? (
          <>
            <span>
              <KeyHint keys="Enter" /> send
            </span>
            <span>
              <kbd class="key" aria-hidden="true">
                ⇧↵
              </kbd>{" "}
              new line
            </span>
            <span>
              <KeyHint keys="mod+k" /> go to
            </span>
          </>
        ) : (
          <span class="form-problem" role="alert">
            {problem.value}
          </span>
        )}
      </p>
    </form>
  );
}
