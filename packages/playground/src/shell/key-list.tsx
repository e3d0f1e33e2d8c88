import { useEffect, useRef } from "preact/hooks";
import { keysText } from "../parts/key-hint.tsx";
import { boundKeys } from "../routing/keys.ts";
import { isHelpShown } from "./palette-state.ts";

/** The list of keys that work on this screen. */
export function KeyList() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (isHelpShown.value) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isHelpShown.value]);
  return (
    <dialog ref={dialog} class="sheet" aria-labelledby="keys-title" onClose={() => (isHelpShown.value = false)}>
      <h2 id="keys-title">Keys</h2>
      <dl class="key-list">
        {(isHelpShown.value ? boundKeys() : []).map(({ keys, label }) => (
          <div key={keys}>
            <dt>
              <kbd class="key">{keysText(keys)}</kbd>
            </dt>
            <dd>{label}</dd>
          </div>
        ))}
      </dl>
      <p class="quiet">None of them works while you type, but ⌘K.</p>
      <form method="dialog">
        <button type="submit" class="button">
          Close
        </button>
      </form>
    </dialog>
  );
}
