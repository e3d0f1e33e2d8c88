import { signal, type Signal } from "@preact/signals";
import { api } from "../api/routes.ts";

const SAVE_AFTER_MS = 400;
const drafts = new Map<string, { readonly text: Signal<string>; timer?: ReturnType<typeof setTimeout> }>();

/** A half-written text that the server keeps: it outlasts reloads of the page and restarts of the server. */
export function draftOf(key: string): Signal<string> {
  const known = drafts.get(key);
  if (known !== undefined) return known.text;
  const text = signal("");
  drafts.set(key, { text });
  void read(key, text);
  return text;
}

async function read(key: string, text: Signal<string>): Promise<void> {
  try {
    const { value } = await api.draft(key);
    // the person may have begun to type meanwhile
    if (typeof value === "string" && text.value === "") text.value = value;
  } catch {
    // without the server's draft the box is empty
  }
}

/** Changes a draft, and keeps it soon after. */
export function setDraft(key: string, value: string): void {
  const text = draftOf(key);
  text.value = value;
  const draft = drafts.get(key);
  if (draft === undefined) return;
  clearTimeout(draft.timer);
  draft.timer = setTimeout(
    () => void api.keepDraft(key, value === "" ? null : value).catch(() => undefined),
    SAVE_AFTER_MS,
  );
}
