import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "../parts/icon.tsx";
import { go } from "../routing/router.ts";
import { foundEntries, localEntries, matching, type PaletteEntry } from "./palette-entries.ts";
import { isPaletteShown } from "./palette-state.ts";

const SEARCH_AFTER_MS = 120;

/** ⌘K: goes to anything by its name. */
export function Palette() {
  const dialog = useRef<HTMLDialogElement>(null);
  // before the next key: letters that are typed at once are those of a search
  useLayoutEffect(() => {
    if (isPaletteShown.value) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isPaletteShown.value]);
  return (
    <dialog
      ref={dialog}
      class="sheet palette"
      aria-label="Go to"
      onClose={() => (isPaletteShown.value = false)}
      onClick={(event) => event.target === dialog.current && (isPaletteShown.value = false)}
    >
      {isPaletteShown.value ? <PaletteBody /> : null}
    </dialog>
  );
}

function PaletteBody() {
  const text = useSignal("");
  const chosen = useSignal(0);
  const found = useSignal<readonly PaletteEntry[]>([]);
  const list = useRef<HTMLUListElement>(null);
  const entries = useComputed(() => [...matching(localEntries(), text.value), ...found.value].slice(0, 40));
  useEffect(() => {
    let isStale = false;
    const timer = setTimeout(() => {
      foundEntries(text.value).then(
        (entries_) => void (isStale || (found.value = entries_)),
        () => void (isStale || (found.value = [])),
      );
    }, SEARCH_AFTER_MS);
    return () => {
      isStale = true;
      clearTimeout(timer);
    };
  }, [text.value]);

  function choose(entry: PaletteEntry | undefined): void {
    if (entry === undefined) return;
    isPaletteShown.value = false;
    if (typeof entry.to === "string") go(entry.to);
    else entry.to();
  }
  function onKeyDown(event: KeyboardEvent): void {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) {
      const size = Math.max(1, entries.value.length);
      chosen.value = (chosen.value + step + size) % size;
      list.current?.children[chosen.value]?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") choose(entries.value[chosen.value]);
    else return;
    event.preventDefault();
  }

  return (
    <>
      <div class="palette-search">
        <Icon name="search" />
        <input
          type="text"
          autofocus
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={`palette-${chosen.value}`}
          aria-label="Go to a screen, flow, thread or run"
          placeholder="Go to a screen, flow, thread or run"
          value={text.value}
          onInput={(event) => {
            text.value = event.currentTarget.value;
            chosen.value = 0;
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      <ul id="palette-list" class="palette-list" role="listbox" aria-label="Places" ref={list}>
        {entries.value.map((entry, index) => (
          <li
            key={`${entry.note} ${entry.label} ${index}`}
            id={`palette-${index}`}
            role="option"
            aria-selected={index === chosen.value}
            onMouseMove={() => (chosen.value = index)}
            onClick={() => choose(entry)}
          >
            <Icon name={entry.icon} />
            <span class="palette-label">{entry.label}</span>
            <span class="palette-note">{entry.note}</span>
          </li>
        ))}
      </ul>
      {entries.value.length === 0 ? <p class="palette-none">Nothing has this name.</p> : null}
    </>
  );
}
