import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../api/routes.ts";
import { Icon } from "../parts/icon.tsx";
import { useKeys } from "../routing/use-keys.tsx";
import type { Overlay } from "../protocol.ts";
import { isReadOnly, overlay } from "../store/project.ts";

/** The error overlay: code that does not load. It can be folded, and goes away when code loads again. */
export function OverlayPanel() {
  const isFolded = useSignal(false);
  const shown = overlay.value;
  useEffect(() => {
    isFolded.value = false;
  }, [shown?.at]);
  useKeys([
    {
      keys: "Escape",
      label: "Fold the error, stop, or close",
      run: () => {
        if (overlay.value === undefined || isFolded.value) return false;
        isFolded.value = true;
        return undefined;
      },
    },
  ]);
  if (shown === undefined) return null;
  if (isFolded.value) {
    return (
      <button type="button" class="overlay-folded" onClick={() => (isFolded.value = false)}>
        <Icon name="cross" /> The code does not load
        {shown.place === undefined ? "" : `: ${shown.place.file}:${shown.place.line}`}
      </button>
    );
  }
  return <OverlayBody shown={shown} fold={() => (isFolded.value = true)} />;
}

function OverlayBody({ shown, fold }: { readonly shown: Overlay; readonly fold: () => void }) {
  const { place, frame } = shown;
  return (
    <div class="overlay">
      <section class="overlay-card" role="alert" aria-labelledby="overlay-title">
        <header>
          <h2 id="overlay-title">
            <Icon name="cross" /> The code does not load
          </h2>
          <code>{shown.code}</code>
          <button type="button" class="button quiet" onClick={fold}>
            Fold <kbd class="key">Esc</kbd>
          </button>
        </header>
        <p class="overlay-message">{shown.message}</p>
        {shown.hint === undefined ? null : <p class="overlay-hint">{shown.hint}</p>}
        {place === undefined ? null : (
          <div class="overlay-place">
            <code>
              {place.file}:{place.line}
              {place.column === undefined ? "" : `:${place.column}`}
            </code>
            {isReadOnly.value ? null : (
              <button
                type="button"
                class="button"
                onClick={() => void api.openFile(place.file, place.line).catch(() => undefined)}
              >
                <Icon name="open" /> Open in the editor
              </button>
            )}
          </div>
        )}
        {frame === undefined ? null : (
          <pre class="overlay-frame" tabIndex={0} aria-label="Lines around the error">
            {frame.lines.map((line, index) => {
              const number = frame.first + index;
              return (
                <div key={number} class={number === place?.line ? "is-here" : ""}>
                  <span>{number}</span>
                  {line === "" ? " " : line}
                </div>
              );
            })}
          </pre>
        )}
        {shown.stack === undefined ? null : (
          <details>
            <summary>Stack</summary>
            <pre tabIndex={0}>{shown.stack}</pre>
          </details>
        )}
        <p class="overlay-meanwhile">
          {shown.hasGoodCode
            ? "The last code that loaded goes on meanwhile. Save a repaired file, and this goes away."
            : "No code has loaded yet. Save a repaired file, and this goes away."}
        </p>
      </section>
    </div>
  );
}
