import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { ApiFailure, messageOf } from "../api/api-failure.ts";
import { api } from "../api/routes.ts";
import { fieldsOf, initialValue, problemsIn, problemsOf, type FieldProblem } from "../forms/schema-fields.ts";
import { SchemaForm } from "../forms/schema-form.tsx";
import { diffValues } from "../timeline/value-diff.ts";
import { oneLine } from "./json-text.ts";
import { JsonView } from "./json-view.tsx";
import { isSafeAddress } from "./safe-address.ts";
import type { PauseView } from "../protocol.ts";
import { isReadOnly } from "../store/project.ts";
import { focusOnMount } from "./focus-on-mount.tsx";
import { Icon } from "./icon.tsx";
import { KeyHint } from "./key-hint.tsx";

/** A question of a run, to be answered in place. A and R answer it while it has the focus. */
export function ApprovalCard({
  pause,
  children,
}: {
  readonly pause: PauseView;
  readonly children?: ComponentChildren;
}) {
  const isApproval = pause.kind === "approval";
  const first = isApproval ? pause.args : initialValue(pause.schema);
  const value = useSignal<unknown>(first);
  const reason = useSignal("");
  const isRejecting = useSignal(false);
  const isSending = useSignal(false);
  const error = useSignal<unknown>(undefined);
  const problems = useSignal<readonly FieldProblem[]>([]);
  const card = useRef<HTMLElement>(null);
  const changes = isApproval ? diffValues(pause.args, value.value).differences : [];
  const isDead = error.value instanceof ApiFailure && ["PAUSE_USED", "PAUSE_EXPIRED"].includes(error.value.code);

  async function answer(given: unknown): Promise<void> {
    if (isSending.value || isDead || isReadOnly.value) return;
    isSending.value = true;
    error.value = undefined;
    try {
      await api.answerPause(pause.id, given);
    } catch (cause) {
      error.value = cause;
      problems.value = cause instanceof ApiFailure ? problemsIn(cause.details) : [];
    } finally {
      isSending.value = false;
    }
  }
  function approve(): void {
    problems.value = pause.schema === undefined ? [] : problemsOf(fieldsOf(pause.schema), value.value);
    if (problems.value.length > 0) return;
    if (isApproval) void answer(changes.length === 0 ? { approved: true } : { approved: true, args: value.value });
    else void answer(pause.kind === "pause" ? value.value : { value: value.value ?? true });
  }
  function reject(): void {
    if (!isRejecting.value) {
      isRejecting.value = true;
      return;
    }
    void answer(reason.value === "" ? { approved: false } : { approved: false, reason: reason.value });
  }
  function onKeyDown(event: KeyboardEvent): void {
    const isTyping = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    if (event.key === "Escape" && isRejecting.value) isRejecting.value = false;
    else if (isTyping) return;
    else if (event.key === "a") approve();
    else if (event.key === "r" && isApproval) reject();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  return (
    <section
      ref={card}
      id={`pause-${pause.id}`}
      class="approval"
      aria-label={questionOf(pause)}
      tabIndex={-1}
      onKeyDown={onKeyDown}
    >
      <header>
        <span class="sign tone-paused">
          <Icon name="pause" size={14} />
        </span>
        <h2>{titleOf(pause)}</h2>
        {pause.effects === undefined ? null : (
          <span class={`tag ${pause.effects === "writes" ? "tone-retry" : ""}`}>{pause.effects}</span>
        )}
      </header>
      <div class="approval-body">
        {children}
        {pause.reason === "" ? null : <p class="approval-reason">{pause.reason}</p>}
        {pause.kind === "pause" && pause.payload !== undefined && pause.payload !== null ? (
          <JsonView value={pause.payload} openDepth={1} />
        ) : null}
        {pause.kind === "sign-in" ? (
          <SignIn payload={pause.payload} />
        ) : (
          <SchemaForm
            schema={pause.schema ?? schemaOf(first)}
            value={value.value}
            onChange={(next) => (value.value = next)}
            problems={problems.value}
            isDisabled={isSending.value || isDead || isReadOnly.value}
          />
        )}
        {changes.length === 0 ? null : (
          <dl class="approval-changes" aria-label="Changes">
            {changes.map((change) => (
              <div key={change.path}>
                <dt>{change.path}</dt>
                <dd>
                  <del>{oneLine(change.before, 60)}</del> → <ins>{oneLine(change.after, 60)}</ins>
                </dd>
              </div>
            ))}
          </dl>
        )}
        {isRejecting.value ? (
          <label class="approval-why">
            <span class="label">Reason, told to the model</span>
            <input
              class="field"
              ref={focusOnMount}
              value={reason.value}
              onInput={(event) => (reason.value = event.currentTarget.value)}
              onKeyDown={(event) => event.key === "Enter" && reject()}
            />
          </label>
        ) : null}
        {error.value === undefined ? null : (
          <p class="form-problem" role="alert">
            {messageOf(error.value)} {error.value instanceof ApiFailure ? <code>{error.value.code}</code> : null}
          </p>
        )}
        {isReadOnly.value ? (
          <p class="quiet small">This view only reads: answer it where the flow runs.</p>
        ) : (
          <div class="approval-actions">
            {isRejecting.value ? null : (
              <button type="button" class="button primary" disabled={isSending.value || isDead} onClick={approve}>
                {labelOf(pause, changes.length > 0)}
                <KeyHint keys="a" />
              </button>
            )}
            {isApproval ? (
              <button type="button" class="button danger" disabled={isSending.value || isDead} onClick={reject}>
                {isRejecting.value ? "Reject" : "Reject …"}
                <KeyHint keys={isRejecting.value ? "Enter" : "r"} />
              </button>
            ) : null}
            {isRejecting.value ? (
              <button type="button" class="button quiet" onClick={() => (isRejecting.value = false)}>
                Back
              </button>
            ) : null}
            <span class="approval-note">
              {isApproval ? (changes.length > 0 ? "runs once, with your changes" : "runs once, exactly as shown") : ""}
            </span>
          </div>
        )}
      </div>
    </section>
  );
}

function SignIn({ payload }: { readonly payload: unknown }) {
  const url = typeof payload === "object" && payload !== null && "url" in payload ? String(payload.url) : "";
  return isSafeAddress(url) ? (
    <p>
      <a href={url} target="_blank" rel="noreferrer noopener">
        Sign in at {URL.parse(url)?.host}
      </a>
      , then come back.
    </p>
  ) : (
    <p class="form-problem">The source gave no address to sign in at.</p>
  );
}

function titleOf(pause: PauseView): ComponentChildren {
  if (pause.kind === "approval") {
    return (
      <>
        May <code>{pause.tool ?? pause.node}</code> run?
      </>
    );
  }
  return questionOf(pause);
}

/** Writes the question of a pause. */
function questionOf(pause: PauseView): string {
  switch (pause.kind) {
    case "approval":
      return `May ${pause.tool ?? pause.node} run?`;
    case "input":
      return `${pause.tool ?? pause.node} asks for an answer`;
    case "sign-in":
      return `${pause.tool ?? pause.node} needs a sign-in`;
    case "pause":
      return `${pause.node} waits for an answer`;
  }
}

function labelOf(pause: PauseView, isChanged: boolean): string {
  if (pause.kind === "approval") return isChanged ? "Approve with changes" : "Approve";
  return pause.kind === "sign-in" ? "I have signed in" : "Answer";
}

/** Makes a schema of a value, for a pause that names none. */
function schemaOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  const properties = Object.entries(value).map(([name, item]): [string, unknown] => [
    name,
    ["string", "number", "boolean"].includes(typeof item) ? { type: typeof item } : {},
  ]);
  return { type: "object", properties: Object.fromEntries(properties), required: properties.map(([name]) => name) };
}
